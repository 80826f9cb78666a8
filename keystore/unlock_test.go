package keystore

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestPassphrase(t *testing.T) {
	ctx, dir := t.Context(), filepath.Join(t.TempDir(), "keystore")
	store, err := Create(ctx, dir, passphrase("correct horse"), cheap)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateAccount(ctx, "alice", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, keyFileName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key file was made: %v", err)
	}
	failure := errors.New("no terminal")
	for _, test := range []struct {
		name   string
		unlock Unlock
		want   error
	}{
		{"right", passphrase("correct horse"), nil},
		{"wrong", passphrase("battery staple"), ErrPassphrase},
		{"empty", passphrase(""), ErrPassphraseRequired},
		{"none", Unlock{}, ErrPassphraseRequired},
		{"failing", Unlock{Passphrase: func(context.Context) ([]byte, error) { return nil, failure }}, failure},
	} {
		if _, err := Open(ctx, dir, test.unlock, Options{}); !errors.Is(err, test.want) {
			t.Errorf("%s: got error %v", test.name, err)
		}
		if _, err := Create(ctx, dir, test.unlock, Options{}); !errors.Is(err, test.want) {
			t.Errorf("%s, Create: got error %v", test.name, err)
		}
	}
}

func TestPassphraseIsWiped(t *testing.T) {
	ctx, dir := t.Context(), filepath.Join(t.TempDir(), "keystore")
	var given [][]byte
	unlock := Unlock{Passphrase: func(context.Context) ([]byte, error) {
		given = append(given, []byte("correct horse"))
		return given[len(given)-1], nil
	}}
	store, err := Create(ctx, dir, unlock, cheap)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, dir, unlock, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := store.ChangePassphrase(ctx, unlock); err != nil {
		t.Fatal(err)
	}
	if len(given) != 3 {
		t.Errorf("asked %d times, want once each", len(given))
	}
	for i, p := range given {
		if !bytes.Equal(p, make([]byte, len(p))) {
			t.Errorf("passphrase %d was left in memory", i)
		}
	}
}

// A script may always pass a passphrase command: it must not run for a keystore without a passphrase.
func TestPassphraseIsNotAskedInVain(t *testing.T) {
	store := newTestStore(t)
	unlock := Unlock{Passphrase: func(context.Context) ([]byte, error) {
		t.Error("asked for a passphrase")
		return nil, nil
	}}
	if _, err := Open(t.Context(), store.dir, unlock, Options{}); err != nil {
		t.Error(err)
	}
}

func TestKeyFile(t *testing.T) {
	ctx := t.Context()
	store := newTestStore(t)
	path := filepath.Join(store.dir, keyFileName)
	key, err := os.ReadFile(path)
	if err != nil || len(key) != 32 {
		t.Fatalf("key file has %d bytes, error %v", len(key), err)
	}
	other := newSecret()
	for name, content := range map[string][]byte{"other": other[:], "short": key[:31], "long": append(key, '\n'),
		"empty": {}} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(ctx, store.dir, Unlock{}, Options{}); !errors.Is(err, ErrKeyFile) {
			t.Errorf("%s: got error %v", name, err)
		}
	}

	elsewhere := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(elsewhere, key[:32], 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, store.dir, Unlock{KeyFile: elsewhere}, Options{}); err != nil {
		t.Errorf("key file elsewhere: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, store.dir, Unlock{}, Options{}); !errors.Is(err, ErrKeyFile) ||
		!errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing key file: got error %v", err)
	}
	// Keystores may share a key file.
	second, err := Create(ctx, filepath.Join(t.TempDir(), "second"), Unlock{KeyFile: elsewhere}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if second.keys.data == store.keys.data {
		t.Error("two keystores have the same data key")
	}
}

func TestChangePassphrase(t *testing.T) {
	ctx := t.Context()
	store := newTestStore(t)
	store.options.kdf = cheap.kdf
	put(t, store, "alice", "t", "n", "v")
	elsewhere := Unlock{KeyFile: filepath.Join(t.TempDir(), "key")}

	unlocks := []Unlock{passphrase("one"), passphrase("two"), {}, elsewhere, passphrase("three"), {}}
	former := Unlock{}
	for i, unlock := range unlocks {
		if err := store.ChangePassphrase(ctx, unlock); err != nil {
			t.Fatalf("change %d: %v", i, err)
		}
		reopened, err := Open(ctx, store.dir, unlock, Options{})
		if err != nil {
			t.Fatalf("change %d: %v", i, err)
		}
		if got := get(t, reopened, "alice", "t", "n"); got != "v" {
			t.Errorf("change %d: record is %q", i, got)
		}
		// The key file in the keystore's directory opens the keystore even if another way was requested.
		if _, err := Open(ctx, store.dir, former, Options{}); err == nil && (unlock.Passphrase != nil ||
			unlock.KeyFile != "") {
			t.Errorf("change %d: the former way in still works", i)
		}
		_, err = os.Stat(filepath.Join(store.dir, keyFileName))
		if unlock.Passphrase != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("change %d: the key file is still there: %v", i, err)
		}
		former = unlock
	}
	if got := get(t, store, "alice", "t", "n"); got != "v" {
		t.Errorf("the store that was open all the time has %q", got)
	}
	if err := store.ChangePassphrase(ctx, passphrase("")); !errors.Is(err, ErrPassphraseRequired) {
		t.Errorf("empty passphrase: got error %v", err)
	}
}
