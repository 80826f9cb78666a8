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
		// An open store does not need the key file any more. It checks the other files each time.
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

// Files that users other than the owner and root could have written are not trusted.
func TestFilesOfOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(path, []byte("correct horse"), 0o644); err != nil {
		t.Fatal(err)
	}
	check := func() error {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		return CheckTrusted(file)
	}
	if err := check(); err != nil {
		t.Errorf("a file of the user: %v", err)
	}
	for _, mode := range []fs.FileMode{0o666, 0o620, 0o602} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := check(); !errors.Is(err, ErrPermissions) || !strings.Contains(err.Error(), "chmod go-w "+path) {
			t.Errorf("mode %o: got error %v", mode, err)
		}
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(CheckTrusted(reader), reader.Close(), writer.Close()); err != nil {
		t.Errorf("a pipe: %v", err)
	}
	if os.Geteuid() != 0 {
		return // only root can give files away
	}
	if err := errors.Join(os.Chmod(path, 0o600), os.Chown(path, 12345, -1)); err != nil {
		t.Fatal(err)
	}
	if err := check(); !errors.Is(err, ErrPermissions) || !strings.Contains(err.Error(), "12345") {
		t.Errorf("another user's: got error %v", err)
	}
	for _, name := range []string{"", databaseName, keyFileName} {
		store := newTestStore(t)
		if err := os.Chown(filepath.Join(store.dir, name), 12345, -1); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), store.dir, Unlock{}, Options{}); !errors.Is(err, ErrPermissions) {
			t.Errorf("%q of another user: got error %v", name, err)
		}
	}
}
