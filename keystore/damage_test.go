package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// damagedVariable is how many damaged copies the tests of damage try.
const damagedVariable = "SESSIONTOOL_TEST_DAMAGE"

// copies returns how many damaged copies to try.
func copies(t *testing.T) int {
	t.Helper()
	text := os.Getenv(damagedVariable)
	if text == "" {
		return 60
	}
	count, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// newUsedStore creates a keystore with a tree of three levels and some deleted records.
func newUsedStore(t *testing.T) *Store {
	t.Helper()
	store := newFilledStore(t)
	for round := range 4 {
		update(t, store, "alice", func(tx *Tx) error {
			var errs []error
			for i := range 600 {
				_, err := tx.Append("inbox", bytes.Repeat(fmt.Appendf(nil, "message %d ", i), 1+i%20))
				errs = append(errs, err,
					tx.Put("contacts", fmt.Sprint("contact ", round, i), make([]byte, i%7*300)),
					tx.DeleteSeq("inbox", uint64(i/3)),
					tx.Delete("contacts", fmt.Sprint("contact ", round-1, i)))
			}
			return errors.Join(errs...)
		})
	}
	return store
}

// damage flips one bit within the first used bytes, or replaces a sector, exchanges two pages, or loses one.
func damage(r *rand.Rand, content []byte, used int) string {
	at := r.IntN(used)
	switch r.IntN(7) {
	case 0: // a sector is another one
		to, from := at/512*512, r.IntN(used)/512*512
		copy(content[to:min(to+512, len(content))], content[from:min(from+512, len(content))])
		return fmt.Sprintf("sector at %d instead of the one at %d", from, to)
	case 1: // a page was never written
		clear(content[at/4096*4096 : min(at/4096*4096+4096, len(content))])
		return fmt.Sprintf("no page at %d", at/4096*4096)
	case 2: // two pages are exchanged
		a, b := at/4096*4096, r.IntN(used)/4096*4096
		if len(content) < max(a, b)+4096 {
			break
		}
		page := bytes.Clone(content[a : a+4096])
		copy(content[a:a+4096], content[b:b+4096])
		copy(content[b:b+4096], page)
		return fmt.Sprintf("pages at %d and %d are exchanged", a, b)
	}
	bit := r.IntN(8)
	content[at] ^= 1 << bit
	return fmt.Sprintf("bit %d of byte %d", bit, at)
}

// Each of many damaged copies of a keystore reads completely or returns an error. Check also finds damage to what
// nothing reads.
func TestDamagedCopies(t *testing.T) {
	if testing.Short() {
		t.Skip("opens hundreds of keystores")
	}
	store := newUsedStore(t)
	path := filepath.Join(store.dir, databaseName)
	original, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := readAll(t, store.dir)
	if err != nil || len(want) < 2000 {
		t.Fatalf("%d records, error %v", len(want), err)
	}
	r := rand.New(rand.NewPCG(1, 300))
	used := len(bytes.TrimRight(original, "\x00"))
	noticed, count := 0, copies(t)
	for range count {
		content := bytes.Clone(original)
		what := damage(r, content, used)
		if r.IntN(6) == 0 {
			content = content[:r.IntN(used)]
			what = fmt.Sprintf("cut to %d bytes", len(content))
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(t, store.dir)
		_, checkErr := store.Check(t.Context())
		switch {
		case errors.Is(err, ErrCorrupt), errors.Is(err, ErrVersion):
			noticed++
			if checkErr == nil {
				t.Errorf("%s: reading says %v, and Check nothing", what, err)
			}
		case err != nil:
			t.Errorf("%s: got error %v", what, err)
		case !maps.Equal(got, want):
			t.Errorf("%s: %d records of %d, without an error", what, len(got), len(want))
		case checkErr != nil:
			t.Errorf("%s: everything was read, and Check says %v", what, checkErr)
		}
	}
	t.Logf("%d of %d copies are noticed to be damaged", noticed, count)
	if noticed < count/3 {
		t.Errorf("only %d of %d were noticed", noticed, count)
	}
}

// Each of many damaged copies of a backup is restored completely or leaves nothing.
func TestDamagedBackups(t *testing.T) {
	store := newUsedStore(t)
	want, err := readAll(t, store.dir)
	if err != nil {
		t.Fatal(err)
	}
	original, count := backup(t, store), copies(t)
	r := rand.New(rand.NewPCG(2, 300))
	for range count {
		content := bytes.Clone(original)
		what := damage(r, content, len(content))
		if r.IntN(6) == 0 {
			content = content[:r.IntN(len(content))]
			what = fmt.Sprintf("cut to %d bytes", len(content))
		}
		dir := filepath.Join(t.TempDir(), "restored")
		restored, err := Restore(t.Context(), dir, bytes.NewReader(content), passphrase("saved"), Options{})
		if bytes.Equal(content, original) != (err == nil) {
			t.Errorf("%s: got error %v", what, err)
		}
		if err == nil {
			if err := restored.ChangePassphrase(t.Context(), Unlock{}); err != nil {
				t.Fatal(err)
			}
			if got, err := readAll(t, dir); err != nil || !maps.Equal(got, want) {
				t.Errorf("%s: %d records of %d, error %v", what, len(got), len(want), err)
			}
		} else if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrPassphrase) &&
			!errors.Is(err, ErrTooCostly) && !errors.Is(err, ErrKeyFile) {
			t.Errorf("%s: got error %v", what, err)
		}
		if entries, readErr := os.ReadDir(dir); readErr != nil || err != nil && len(entries) != 0 {
			t.Errorf("%s: %d files were left, error %v", what, len(entries), readErr)
		}
	}
}
