package store

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
	"time"

	"sessiontool/lib/storage/rpc28"
)

// damagedVariable is how many damaged copies a test of damage tries.
const damagedVariable = "SESSIONTOOL_TEST_DAMAGE"

func copies(t *testing.T, usual int) int {
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

// damage flips a bit in a file, cuts it off, or loses or exchanges a page.
func damage(r *rand.Rand, content []byte) ([]byte, string) {
	const size = 4096
	b, at := bytes.Clone(content), r.IntN(max(1, len(bytes.TrimRight(content, "\x00"))))
	page := at / size * size
	whole := b[page:min(page+size, len(b))]
	switch r.IntN(5) {
	case 0:
		return b[:at], fmt.Sprintf("cut off at %d", at)
	case 1:
		clear(whole)
		return b, fmt.Sprintf("no page at %d", page)
	case 2:
		other := r.IntN(len(b)/size) * size
		saved := bytes.Clone(whole)
		copy(whole, b[other:])
		copy(b[other:], saved)
		return b, fmt.Sprintf("pages at %d and %d exchanged", page, other)
	}
	bit := r.IntN(8)
	b[at] ^= 1 << bit
	return b, fmt.Sprintf("bit %d of byte %d", bit, at)
}

// nodeContent is what a store has: every record by its name, and what clients of both RPCs get.
type nodeContent map[string]string

func readAll(s *Store, now time.Time) (nodeContent, error) {
	all := make(nodeContent)
	var names []Name
	err := s.Scan(Name{}, 0, func(string) bool { return true }, func(name Name, v Version) bool {
		names = append(names, name)
		return true
	})
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		body, _, err := s.Encode([]Name{name}, 1<<20)
		if err != nil {
			return nil, err
		}
		all[string(name[:])] = string(body)
	}
	for i := range 5 {
		page, _, err := s.Page28(owner(i), rpc28.NamespaceMessages, "", now.UnixMilli(), 1<<20, 1<<30)
		if err != nil {
			return nil, err
		}
		all[owner(i)] = fmt.Sprint(page)
	}
	return all, nil
}

// filledStore makes a store with messages of both RPCs, tombstones, requests and expired messages, and closes it.
func filledStore(t *testing.T, now time.Time) (dir string, want nodeContent) {
	t.Helper()
	dir = t.TempDir()
	s, err := Open(dir, DefaultMaxBytes)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 600 {
		mustInsert(t, s, plain(owner(i%5), strconv.Itoa(i), now, time.Hour),
			NewMessage28(owner(i%5), 0, now.UnixMilli(), time.Hour.Milliseconds(), fmt.Append(nil, i)))
		if i%100 == 50 {
			if err := s.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	held, err := s.InScope(owner(1), rpc28.Scope{}, now.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Edit(held[:50], now.UnixMilli(), []byte("signed"), markGone); err != nil {
		t.Fatal(err)
	}
	if want, err = readAll(s, now); err != nil || len(want) != 1200+5 {
		t.Fatalf("%d records, %v", len(want), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, want
}

// files returns the paths of a store's files.
func files(dir string) (paths []string) {
	for _, name := range []string{treeName, treeName + ".log1", treeName + ".log2"} {
		paths = append(paths, filepath.Join(dir, FolderName, name))
	}
	return paths
}

// A damaged database of a node opens and has everything, or says that it is damaged. Repair then makes one that opens,
// with nothing that is not of the old one, and finds no damage in a whole one.
func TestDamagedDatabases(t *testing.T) {
	now, r := time.Now(), rand.New(rand.NewPCG(7, 7))
	dir, want := filledStore(t, now)
	noticed, lost, count := 0, 0, copies(t, 12)
	for range count {
		elsewhere := t.TempDir()
		if err := os.CopyFS(elsewhere, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		path := files(elsewhere)[max(0, r.IntN(5)-2)]
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		content, what := damage(r, content)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		what = filepath.Base(path) + ": " + what
		got, err := openAndRead(elsewhere, now)
		switch {
		case errors.Is(err, ErrDamaged):
			noticed++
		case err != nil:
			t.Errorf("%s: %v", what, err)
		case !maps.Equal(got, want):
			t.Errorf("%s: %d records of %d without an error", what, len(got), len(want))
		}
		damaged := err != nil
		result, err := Repair(t.Context(), elsewhere)
		if err != nil || damaged && result.Damage == nil {
			t.Errorf("%s: repair says %+v, %v", what, result, err)
			continue
		}
		if got, err = openAndRead(elsewhere, now); err != nil {
			t.Errorf("%s: after the repair: %v", what, err)
		}
		for name, record := range want {
			switch _, known := got[name]; {
			case len(name) < NameSize:
			case !known:
				lost++
			case got[name] != record && name[:len(owner(1))] != owner(1):
				t.Errorf("%s: a record is another after the repair", what)
			}
		}
		if result, err := Repair(t.Context(), elsewhere); err != nil || result.Damage != nil {
			t.Errorf("%s: the second repair says %v, %v", what, result.Damage, err)
		}
	}
	t.Logf("%d of %d copies are noticed to be damaged, repair keeps %.1f%% of their records", noticed, count,
		100-100*float64(lost)/float64(len(want)*max(noticed, 1)))
	if noticed < count/4 {
		t.Error("too few")
	}
}

func openAndRead(dir string, now time.Time) (nodeContent, error) {
	s, err := Open(dir, DefaultMaxBytes)
	if err != nil {
		if !errors.Is(err, ErrFolder) {
			err = fmt.Errorf("not ErrFolder: %v", err)
		}
		return nil, err
	}
	all, err := readAll(s, now)
	closeErr := s.Close()
	return all, errors.Join(err, closeErr)
}

// A damaged database of an earlier version opens completely, or says that it is damaged. It stays as it is, and Repair
// takes what is in front of the damage.
func TestDamagedOldDatabases(t *testing.T) {
	now, r := time.Now(), rand.New(rand.NewPCG(8, 8))
	var messages []Message
	for i := range 300 {
		messages = append(messages, plain(owner(i%5), strconv.Itoa(i), now, time.Hour))
	}
	original, err := os.ReadFile(filepath.Join(oldDatabase(t, "peer", messages), oldFileName))
	if err != nil {
		t.Fatal(err)
	}
	noticed, count := 0, copies(t, 12)
	for range count {
		dir := t.TempDir()
		path := filepath.Join(dir, oldFileName)
		content, what := damage(r, original)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := openAndRead(dir, now); errors.Is(err, ErrDamaged) {
			noticed++
			if kept, err := os.ReadFile(path); err != nil || !bytes.Equal(kept, content) {
				t.Errorf("%s: the file has changed (%v)", what, err)
			}
			if result, err := Repair(t.Context(), dir); err != nil || result.SetAside != path+damagedSuffix {
				t.Errorf("%s: repair says %+v, %v", what, result, err)
			}
			if _, err := openAndRead(dir, now); err != nil {
				t.Errorf("%s: after the repair: %v", what, err)
			}
		} else if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if len(got) < len(messages)+5 && len(content) > 0 {
			t.Errorf("%s: %d records of %d without an error", what, len(got), len(messages)+5)
		}
	}
	t.Logf("%d of %d copies are noticed to be damaged", noticed, count)
}

// A repair that was interrupted after it had set the damaged database aside is finished when the node starts.
func TestInterruptedRepair(t *testing.T) {
	now := time.Now()
	dir, want := filledStore(t, now)
	folder := filepath.Join(dir, FolderName)
	if err := os.Rename(folder, filepath.Join(dir, newFolderName)); err != nil {
		t.Fatal(err)
	}
	if got, err := openAndRead(dir, now); err != nil || !maps.Equal(got, want) {
		t.Errorf("%d records of %d, %v", len(got), len(want), err)
	}
	if _, err := os.Stat(filepath.Join(dir, newFolderName)); err == nil {
		t.Error("the folder has its old name, too")
	}
	if _, err := Repair(t.Context(), t.TempDir()); err == nil {
		t.Error("a folder without a database was repaired")
	}
}
