package tree

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"testing"
)

// thief returns everything that opens with the file's key or with a key found in the opened parts, free pages included.
func thief(t *testing.T, file []byte) []byte {
	t.Helper()
	var loot []byte
	keys := map[Key]bool{}
	found := func(content []byte) {
		loot = append(loot, content...)
		for at := 0; at+keySize <= len(content); at++ {
			if k := Key(content[at : at+keySize]); k != (Key{}) {
				keys[k] = true
			}
		}
	}
	for at := 0; at < len(file); at += PageSize {
		if s, err := parseSlot(at/PageSize, file[at:at+PageSize]); err == nil {
			if state, err := s.open(&testKey); err == nil {
				found(state)
			}
		}
	}
	pages := len(bytes.TrimRight(file, "\x00"))/PageSize + 1
	tried := map[Key]bool{}
	for more := true; more; {
		more = false
		for key := range maps.Clone(keys) {
			if tried[key] {
				continue
			}
			tried[key], more = true, true
			for page := range uint32(pages) {
				for n := uint32(1); n <= 3; n++ {
					if content, err := openRun(bytes.NewReader(file), ref{page, key}, n); err == nil {
						found(content)
					}
				}
			}
		}
	}
	return loot
}

// No key in the file opens replaced or deleted content, free pages included.
func TestWhatIsReplacedIsGone(t *testing.T) {
	f := newFile(t)
	secret := func(i int) []byte { return bytes.Repeat(fmt.Appendf(nil, "secret %d.", i), 1+i%3*300) }
	for i := range 9 {
		tx := begin(t, f, true)
		if err := errors.Join(tx.Put([]byte("session"), secret(i)),
			tx.Put(fmt.Appendf(nil, "used %d", i), secret(100+i))); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			if err := tx.Delete(fmt.Appendf(nil, "used %d", i-1)); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		loot := thief(t, f.now)
		for j := range i + 1 {
			for _, n := range []int{j, 100 + j} {
				if has := bytes.Contains(loot, fmt.Appendf(nil, "secret %d.", n)); has != (j == i) {
					t.Errorf("after change %d: secret %d is in the file: %v", i, n, has)
				}
			}
		}
	}
}

// The next commit erases what a process left that was killed within a commit, at any moment.
func TestWhatAKillLeavesIsGone(t *testing.T) {
	secret := func(i int) []byte { return bytes.Repeat(fmt.Appendf(nil, "secret %d.", i), 300) }
	for at := range 8 {
		f := newFile(t)
		store := func(i int, file File) error {
			tx := begin(t, f, true)
			tx.file = file
			return errors.Join(tx.Put([]byte("session"), secret(i)), tx.Commit())
		}
		if err := store(0, f); err != nil {
			t.Fatal(err)
		}
		killed := store(1, &cutter{f, at})
		if killed == nil && at < 4 {
			t.Fatalf("the commit was not stopped at %d", at)
		}
		if err := store(2, f); err != nil {
			t.Fatal(err)
		}
		loot := thief(t, f.now)
		for i := range 3 {
			if has := bytes.Contains(loot, fmt.Appendf(nil, "secret %d.", i)); has != (i == 2) {
				t.Errorf("killed at %d: secret %d is in the file: %v", at, i, has)
			}
		}
	}
}
