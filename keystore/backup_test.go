package keystore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// backup returns a backup that opens with the passphrase "saved".
func backup(t *testing.T, store *Store) []byte {
	t.Helper()
	store.options.kdf = cheap.kdf
	var b bytes.Buffer
	if err := store.Backup(t.Context(), &b, passphrase("saved").Passphrase); err != nil {
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
	restored, err := Restore(ctx, dir, bytes.NewReader(saved), passphrase("saved"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, restored, "alice", "contacts", "dora", "after the restore")
	if _, err := Restore(ctx, dir, unread{t}, passphrase("saved"), Options{}); !errors.Is(err, ErrExists) {
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

// unread is a reader that fails the test when it is read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the backup was read")
	return 0, io.EOF
}

// A keystore with a passphrase can be backed up as it is. One with a key file cannot: nothing could open the copy.
func TestBackupKeepsThePassphrase(t *testing.T) {
	ctx := t.Context()
	store := newTestStore(t)
	if err := store.Backup(ctx, io.Discard, nil); !errors.Is(err, ErrPassphraseRequired) {
		t.Errorf("with a key file: got error %v", err)
	}
	if err := store.Backup(ctx, io.Discard, passphrase("").Passphrase); !errors.Is(err, ErrPassphraseRequired) {
		t.Errorf("an empty passphrase: got error %v", err)
	}
	store.options.kdf = cheap.kdf
	if err := store.ChangePassphrase(ctx, passphrase("own")); err != nil {
		t.Fatal(err)
	}
	var saved bytes.Buffer
	if err := store.Backup(ctx, &saved, nil); err != nil {
		t.Fatal(err)
	}
	restored, err := Restore(ctx, filepath.Join(t.TempDir(), "restored"), &saved, passphrase("own"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if names, err := restored.Accounts(ctx); err != nil || !slices.Equal(names, []string{"alice"}) {
		t.Errorf("accounts %q, error %v", names, err)
	}
}

// A backup contains neither deleted records nor the data key under a former passphrase.
func TestBackupHoldsWhatIsLiveOnly(t *testing.T) {
	store := newTestStore(t)
	former, err := readHeader(t.Context(), filepath.Join(store.dir, databaseName), store.options)
	if err != nil {
		t.Fatal(err)
	}
	put(t, store, "alice", "t", "n", string(make([]byte, 1<<20)))
	update(t, store, "alice", func(tx *Tx) error { return tx.Delete("t", "n") })
	saved := backup(t, store)
	if len(saved) > 1<<18 {
		t.Errorf("the backup has %d bytes", len(saved))
	}
	if bytes.Contains(saved, former.wrap.sealed[:]) {
		t.Error("the backup has the data key under the former key")
	}
}

func TestRestoreRefuses(t *testing.T) {
	saved := backup(t, newFilledStore(t))
	for name, test := range map[string]struct {
		backup []byte
		unlock Unlock
		want   error
	}{
		"another passphrase": {saved, passphrase("lost"), ErrPassphrase},
		"no passphrase":      {saved, Unlock{}, ErrPassphraseRequired},
		"nothing":            {nil, passphrase("saved"), ErrCorrupt},
		"something else":     {bytes.Repeat([]byte("text"), 10000), passphrase("saved"), ErrCorrupt},
		"no last byte":       {saved[:len(saved)-1], passphrase("saved"), ErrCorrupt},
		"first pages only":   {saved[:4*os.Getpagesize()], passphrase("saved"), ErrCorrupt},
	} {
		dir := filepath.Join(t.TempDir(), "restored")
		if _, err := Restore(t.Context(), dir, bytes.NewReader(test.backup), test.unlock,
			Options{}); !errors.Is(err, test.want) {
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

// A slow reader of the backup does not block writers.
func TestBackupDoesNotHoldTheLock(t *testing.T) {
	store := newFilledStore(t)
	store.options.LockTimeout = time.Nanosecond
	writes := 0
	err := store.Backup(t.Context(), slowWriter(func() error {
		writes++
		return store.Update(t.Context(), "alice", func(tx *Tx) error { return tx.Put("t", "n", nil) })
	}), passphrase("saved").Passphrase)
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
	}), passphrase("saved").Passphrase)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
	failure := errors.New("pipe is closed")
	if err := store.Backup(t.Context(), slowWriter(func() error { return failure }),
		passphrase("saved").Passphrase); !errors.Is(err, failure) {
		t.Errorf("got error %v", err)
	}
	if entries, err := os.ReadDir(store.dir); err != nil || len(entries) != 2 {
		t.Errorf("%d files were left, error %v", len(entries), err)
	}
}
