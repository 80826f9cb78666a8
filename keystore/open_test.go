package keystore

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

// identity returns a function that reads the identity record of the tests' accounts.
func identity(into *string) func(*Tx) error {
	return func(tx *Tx) error {
		value, _, err := tx.Get("identity", "name")
		*into = string(value)
		return err
	}
}

// OpenAccount opens an account in one step, with a key file or a passphrase, and returns a usable store.
func TestOpenAccount(t *testing.T) {
	for what, unlock := range map[string]Unlock{"key file": {}, "passphrase": passphrase("correct horse")} {
		t.Run(what, func(t *testing.T) {
			ctx, dir := t.Context(), filepath.Join(t.TempDir(), "keystore")
			created, err := Create(ctx, dir, unlock, cheap)
			if err != nil {
				t.Fatal(err)
			}
			nothing := func(*Tx) error { return nil }
			if _, _, err := OpenAccount(ctx, dir, unlock, Options{}, "", nothing); !errors.Is(err, ErrAccountNotFound) {
				t.Errorf("the only account of none: %v", err)
			}
			add := func(name string) {
				err := created.CreateAccount(ctx, name,
					func(tx *Tx) error { return tx.Put("identity", "name", []byte("I am "+name)) })
				if err != nil {
					t.Fatal(err)
				}
			}
			open := func(name, want string) {
				t.Helper()
				var known string
				store, found, err := OpenAccount(ctx, dir, unlock, Options{}, name, identity(&known))
				if err != nil || found != want || known != "I am "+want {
					t.Fatalf("%q opens as %q, which says %q: %v", name, found, known, err)
				}
				put(t, store, want, "notes", "n", "kept")
				if got := get(t, created, want, "notes", "n"); got != "kept" {
					t.Errorf("a change of %q is lost: %q", want, got)
				}
			}
			add("alice")
			open("", "alice")
			open("alice", "alice")
			add("bob")
			open("bob", "bob")
			if _, _, err := OpenAccount(ctx, dir, unlock, Options{}, "", nothing); !errors.Is(err, ErrSeveralAccounts) {
				t.Errorf("the only account of two: %v", err)
			}
			if _, _, err := OpenAccount(ctx, dir, unlock, Options{}, "carol",
				nothing); !errors.Is(err, ErrAccountNotFound) {
				t.Errorf("carol: %v", err)
			}
			failure := errors.New("failure")
			store, name, err := OpenAccount(ctx, dir, unlock, Options{}, "bob", func(*Tx) error { return failure })
			if err != failure || store != nil || name != "" {
				t.Errorf("a failing function: %v, %q, %v", store, name, err)
			}
			err = created.View(ctx, "bob", func(*Tx) error { return nil })
			if err != nil {
				t.Errorf("after a failing function: %v", err)
			}
		})
	}
}

func TestOpenAccountIsReadOnly(t *testing.T) {
	store := newTestStore(t)
	_, _, err := OpenAccount(t.Context(), store.dir, Unlock{}, Options{}, "alice",
		func(tx *Tx) error { return tx.Put("t", "n", nil) })
	if !errors.Is(err, ErrReadOnly) {
		t.Errorf("got %v", err)
	}
}

// The lock is free while the user types a passphrase.
func TestOpenAccountAsksWithoutLock(t *testing.T) {
	ctx, dir := t.Context(), filepath.Join(t.TempDir(), "keystore")
	created, err := Create(ctx, dir, passphrase("correct horse"), cheap)
	if err != nil {
		t.Fatal(err)
	}
	if err := created.CreateAccount(ctx, "alice", nil); err != nil {
		t.Fatal(err)
	}
	asking := Unlock{Passphrase: func(context.Context) ([]byte, error) {
		put(t, created, "alice", "t", "n", "written meanwhile")
		return []byte("correct horse"), nil
	}}
	var got []byte
	_, _, err = OpenAccount(ctx, dir, asking, Options{}, "", func(tx *Tx) (err error) {
		got, _, err = tx.Get("t", "n")
		return err
	})
	if err != nil || string(got) != "written meanwhile" {
		t.Errorf("read %q: %v", got, err)
	}
}
