package keystore

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Restore refuses a backup that was changed in any way, with a documented error.
func FuzzRestore(f *testing.F) {
	options := cheap.withDefaults()
	store, err := Create(context.Background(), filepath.Join(f.TempDir(), "keystore"), passphrase("saved"), options)
	if err != nil {
		f.Fatal(err)
	}
	put(f, withAlice(f, store), "alice", "t", "n", "v")
	var whole bytes.Buffer
	if err := store.Backup(context.Background(), &whole, nil); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Add([]byte(backupMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 120 && bytes.Contains(b[:120], []byte{0, 1, 0, 0}) {
			t.Skip() // key derivation with 64 MiB takes too long to fuzz
		}
		restored, err := Restore(t.Context(), filepath.Join(t.TempDir(), "k"), bytes.NewReader(b), passphrase("saved"),
			Options{})
		switch {
		case err == nil: // a backup that another process of this test has made
			if got := get(t, restored, "alice", "t", "n"); got != "v" {
				t.Errorf("%x was restored with %q", b, got)
			}
		case errors.Is(err, ErrCorrupt), errors.Is(err, ErrVersion), errors.Is(err, ErrPassphrase),
			errors.Is(err, ErrKeyFile), errors.Is(err, ErrTooCostly):
		default:
			t.Error(err)
		}
	})
}

// withAlice adds the account alice.
func withAlice(t testing.TB, store *Store) *Store {
	t.Helper()
	if err := store.CreateAccount(context.Background(), "alice", nil); err != nil {
		t.Fatal(err)
	}
	return store
}

// A key file is 32 bytes that only its owner may read. Any other content is refused.
func FuzzKeyFile(f *testing.F) {
	f.Add(make([]byte, 32))
	f.Add(make([]byte, 33))
	path := filepath.Join(f.TempDir(), "keystore.key")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		key, err := readKeyFile(path)
		if (err == nil) != (len(content) == len(key)) || err != nil && !errors.Is(err, ErrKeyFile) ||
			err == nil && !bytes.Equal(key[:], content) {
			t.Errorf("%x: %v", content, err)
		}
	})
}
