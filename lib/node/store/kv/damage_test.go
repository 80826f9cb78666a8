package kv

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// damage changes one of the files that have content: it flips a bit, cuts the file off, or loses or exchanges a page.
func damage(r *rand.Rand, files [3]*memory) string {
	which := r.IntN(3)
	b := files[which].now
	if len(b) == 0 {
		return "nothing"
	}
	at := r.IntN(len(b))
	if used := len(bytes.TrimRight(b, "\x00")); used > 0 && r.IntN(4) > 0 {
		at = r.IntN(used)
	}
	page := at / pageSize * pageSize
	end := min(page+pageSize, len(b))
	switch r.IntN(5) {
	case 0:
		files[which].now = b[:at]
		return fmt.Sprintf("file %d is cut off at %d", which, at)
	case 1:
		clear(b[page:end])
		return fmt.Sprintf("no page at %d of file %d", page, which)
	case 2:
		other := r.IntN(len(b)) / pageSize * pageSize
		if other+pageSize > len(b) || end < page+pageSize {
			return "nothing"
		}
		saved := bytes.Clone(b[page:end])
		copy(b[page:end], b[other:other+pageSize])
		copy(b[other:], saved)
		return fmt.Sprintf("pages at %d and %d of file %d are exchanged", page, other, which)
	}
	bit := r.IntN(8)
	b[at] ^= 1 << bit
	return fmt.Sprintf("bit %d of byte %d of file %d", bit, at, which)
}

func clone(files [3]*memory) (made [3]*memory) {
	for i, f := range files {
		made[i] = &memory{now: bytes.Clone(f.now), saved: bytes.Clone(f.now)}
	}
	return made
}

// used returns a database with a tree of several levels and a full log, and what is in it.
func used(t testing.TB, r *rand.Rand) (files [3]*memory, want map[string]string) {
	t.Helper()
	db, files := newDB(t)
	want = make(map[string]string)
	for range 8 {
		if err := db.Flush(); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			if err := db.Update(func(tx *Tx) error { return randomly(r, tx, want, 1000, 200) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	return files, want
}

// damagedVariable is how many damaged copies the tests of damage try.
const damagedVariable = "SESSIONTOOL_TEST_DAMAGE"

// copies returns how many damaged copies to try.
func copies(t testing.TB, usual int) int {
	t.Helper()
	text := os.Getenv(damagedVariable)
	if text == "" {
		return usual
	}
	count, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// A damaged copy opens and reads completely, or gives ErrDamaged, whether it was closed or killed. Check finds damage
// to what is in the tree.
func TestDamagedCopies(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	killed, want := used(t, r)
	closed := clone(killed)
	if err := mustOpen(t, closed).Close(); err != nil {
		t.Fatal(err)
	}
	for name, original := range map[string][3]*memory{"closed": closed, "killed": killed} {
		noticed, count := 0, copies(t, 30)
		for range count {
			files := clone(original)
			what := damage(r, files)
			db, err := openMemories(files)
			var got map[string]string
			if err == nil {
				if got, err = contents(db); err == nil {
					if _, err := db.Check(t.Context()); err != nil {
						t.Errorf("%s: %s: all was read, and Check says %v", name, what, err)
					}
				}
			}
			switch {
			case errors.Is(err, ErrDamaged), errors.Is(err, ErrVersion):
				noticed++
			case err != nil:
				t.Errorf("%s: %s: %v", name, what, err)
			case !maps.Equal(got, want):
				t.Errorf("%s: %s: %d records of %d without an error", name, what, len(got), len(want))
			}
		}
		t.Logf("%s: %d of %d noticed", name, noticed, count)
		if noticed < count/4 {
			t.Errorf("%s: only %d of %d were noticed", name, noticed, count)
		}
	}
}

// Salvage finds everything but what is in the damaged page, also if that is the topmost one, and nothing that never
// was. Without damage it finds everything, and says so.
func TestSalvage(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	original, want := used(t, r)
	path := filepath.Join(t.TempDir(), "tree")
	found := 0
	for i := range 30 {
		files, what := clone(original), "nothing"
		switch {
		case i == 1: // the topmost node
			top, err := readRoot(files[0])
			if err != nil {
				t.Fatal(err)
			}
			files[0].now[int(top.ref.page)*pageSize+50] ^= 1
			what = "the topmost node"
		case i == 2: // both slots
			clear(files[0].now[:firstPage*pageSize])
			what = "both slots"
		case i > 2:
			what = damage(r, files)
		}
		for k, name := range Files(path) {
			if err := os.WriteFile(name, files[k].now, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		into, _ := newDB(t)
		result, err := Salvage(t.Context(), path, into)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if _, err := openMemories(files); err != nil && result.Damage == nil {
			t.Errorf("%s: opening says %v, and Salvage finds no damage", what, err)
		}
		got, err := contents(into)
		if err != nil {
			t.Fatal(err)
		}
		missing, wrong := 0, 0
		for key, value := range want {
			if other, ok := got[key]; !ok {
				missing++
			} else if other != value {
				wrong++
			}
		}
		if result.Damage == nil && (missing+wrong > 0 || len(got) != len(want)) {
			t.Errorf("%s: without damage %d are missing and %d wrong", what, missing, wrong)
		}
		if missing > len(want)/4 && !strings.Contains(what, "cut off") {
			t.Errorf("%s: %d of %d are missing, %d old", what, missing, len(want), wrong)
		}
		if result.Damage != nil {
			found++
		}
	}
	if found < 10 {
		t.Errorf("%d copies were damaged", found)
	}
}

// A node or record of a log that is malformed behind a right checksum does not panic.
func FuzzDecode(f *testing.F) {
	raw, _ := encodeNode(2, 3, 0, []item{{[]byte("ab"), []byte("c")}, {[]byte("b"), nil}}, 20)
	f.Add(raw)
	slot := (&root{transaction: 1, records: 2}).encode()
	f.Add(append(slot, make([]byte, sectorSize)...))
	f.Add([]byte{changePut, 0, 2, 'a', 'b', 0, 0, 0, 1, 'c'})
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := decodeNode(b); err == nil {
			for i := range n.count {
				n.item(i)
				n.search(n.key(i))
			}
		} else if !errors.Is(err, ErrDamaged) {
			t.Error(err)
		}
		if len(b) >= sectorSize {
			parseSector(b[:sectorSize])
			if _, err := parseSlot(b[:slotSize]); err == nil {
				t.Log("a slot")
			}
		}
		if err := eachChange(b, func(_, _ []byte, _ bool) {}); err != nil && !errors.Is(err, ErrDamaged) {
			t.Error(err)
		}
	})
}

// What is no regular file, and a database that lacks a file, is damaged; nothing waits for the other end of a pipe.
func TestFiles(t *testing.T) {
	for i := range Files("") {
		path := filepath.Join(t.TempDir(), "tree")
		db, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Update(func(tx *Tx) error { return tx.Bucket(1).Put([]byte("a"), []byte("b")) }); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); !errors.Is(err, ErrInUse) {
			t.Errorf("opening it twice gave %v", err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); !errors.Is(err, ErrClosed) {
			t.Errorf("closing it twice gave %v", err)
		}
		name := Files(path)[i]
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); !errors.Is(err, ErrDamaged) {
			t.Errorf("without file %d: %v", i, err)
		}
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil {
			t.Errorf("a folder in the place of file %d was opened", i)
		}
	}
}
