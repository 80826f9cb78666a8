//go:build !windows

package keystore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestModesOfNewKeystore(t *testing.T) {
	store := newTestStore(t)
	for path, want := range map[string]fs.FileMode{
		store.dir:                              fs.ModeDir | 0o700,
		filepath.Join(store.dir, databaseName): 0o600,
		filepath.Join(store.dir, keyFileName):  0o600,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
	entries, err := os.ReadDir(store.dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%d files were left, error %v", len(entries), err)
	}
}

func TestWiderModesAreRefused(t *testing.T) {
	for _, test := range []struct {
		path string
		mode fs.FileMode
		hint string
	}{
		{"", 0o755, "chmod 700 "},
		{"", 0o710, "chmod 700 "},
		{databaseName, 0o640, "chmod 600 "},
		{databaseName, 0o604, "chmod 600 "},
		{keyFileName, 0o644, "chmod 600 "},
		{keyFileName, 0o420, "chmod 400 "},
	} {
		store := newTestStore(t)
		path := filepath.Join(store.dir, test.path)
		if err := os.Chmod(path, test.mode); err != nil {
			t.Fatal(err)
		}
		_, openErr := Open(t.Context(), store.dir, Unlock{}, Options{})
		_, createErr := Create(t.Context(), store.dir, Unlock{}, Options{})
		for _, err := range []error{openErr, createErr} {
			if !errors.Is(err, ErrPermissions) || !strings.Contains(err.Error(), test.hint+path) {
				t.Errorf("%s with mode %o: got error %v", test.path, test.mode, err)
			}
		}
		// The key file is not needed any more by a store that is open; the rest is checked each time.
		err := store.Update(t.Context(), "alice", func(*Tx) error { return nil })
		if test.path != keyFileName && !errors.Is(err, ErrPermissions) {
			t.Errorf("%s with mode %o, already open: got error %v", test.path, test.mode, err)
		}
	}
}

func TestViewOfReadOnlyFile(t *testing.T) {
	store := newTestStore(t)
	put(t, store, "alice", "t", "n", "v")
	if err := os.Chmod(filepath.Join(store.dir, databaseName), 0o400); err != nil {
		t.Fatal(err)
	}
	if got := get(t, reopen(t, store), "alice", "t", "n"); got != "v" {
		t.Errorf("got %q", got)
	}
}
