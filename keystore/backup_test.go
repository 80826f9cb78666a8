package keystore

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func backup(t *testing.T, store *Store) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := store.Backup(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBackupAndRestore(t *testing.T) {
	ctx := t.Context()
	store := newFilledStore(t)
	want, err := readAll(t, store.dir)
	if err != nil {
		t.Fatal(err)
	}
	saved := backup(t, store)
	put(t, store, "alice", "contacts", "later", "not in the backup")
	if entries, err := os.ReadDir(store.dir); err != nil || len(entries) != 2 {
		t.Errorf("%d files after the backup, error %v", len(entries), err)
	}

	dir := filepath.Join(t.TempDir(), "restored")
	unlock := Unlock{KeyFile: filepath.Join(store.dir, keyFileName)}
	restored, err := Restore(ctx, dir, bytes.NewReader(saved), unlock, Options{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, restored, "alice", "contacts", "dora", "after the restore")
	if _, err := Restore(ctx, dir, bytes.NewReader(saved), unlock, Options{}); !errors.Is(err, ErrExists) {
		t.Errorf("second restore: got error %v", err)
	}
	if err := restored.ChangePassphrase(ctx, Unlock{}); err != nil {
		t.Fatal(err)
	}
	got, err := readAll(t, dir)
	want["alicecontactsdora"] = "after the restore"
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %d records, want %d, error %v", len(got), len(want), err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	saved := backup(t, newFilledStore(t))
	other := newTestStore(t)
	unlock := Unlock{KeyFile: filepath.Join(other.dir, keyFileName)}
	for name, test := range map[string]struct {
		backup []byte
		want   error
	}{
		"another key file": {saved, ErrKeyFile},
		"nothing":          {nil, ErrCorrupt},
		"something else":   {bytes.Repeat([]byte("text"), 10000), ErrCorrupt},
		"first pages only": {saved[:4*os.Getpagesize()], ErrCorrupt},
	} {
		dir := filepath.Join(t.TempDir(), "restored")
		if _, err := Restore(t.Context(), dir, bytes.NewReader(test.backup), unlock, Options{}); !errors.Is(err, test.want) {
			t.Errorf("%s: got error %v", name, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
			t.Errorf("%s: %d files were left, error %v", name, len(entries), err)
		}
	}
}

// slowWriter runs a function before each write.
type slowWriter func() error

func (w slowWriter) Write(p []byte) (int, error) { return len(p), w() }

// A slow reader of the backup does not keep others from writing.
func TestBackupDoesNotHoldTheLock(t *testing.T) {
	store := newFilledStore(t)
	store.options.LockTimeout = time.Nanosecond
	writes := 0
	err := store.Backup(t.Context(), slowWriter(func() error {
		writes++
		return store.Update(t.Context(), "alice", func(tx *Tx) error { return tx.Put("t", "n", nil) })
	}))
	if err != nil || writes == 0 {
		t.Errorf("%d writes, error %v", writes, err)
	}
}

func TestBackupStops(t *testing.T) {
	store := newTestStore(t)
	put(t, store, "alice", "t", "n", string(make([]byte, 1<<20)))
	ctx, cancel := context.WithCancel(t.Context())
	err := store.Backup(ctx, slowWriter(func() error {
		cancel()
		return nil
	}))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
	failure := errors.New("pipe is closed")
	if err := store.Backup(t.Context(), slowWriter(func() error { return failure })); !errors.Is(err, failure) {
		t.Errorf("got error %v", err)
	}
	if entries, err := os.ReadDir(store.dir); err != nil || len(entries) != 2 {
		t.Errorf("%d files were left, error %v", len(entries), err)
	}
}
