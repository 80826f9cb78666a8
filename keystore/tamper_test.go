package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const bobsID = "05b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0"

// newFilledStore creates a keystore with two accounts and records of both kinds, small and large.
func newFilledStore(t *testing.T) *Store {
	t.Helper()
	store := newTestStore(t)
	if err := store.CreateAccount(t.Context(), "zacharias", nil); err != nil {
		t.Fatal(err)
	}
	for _, account := range []string{"alice", "zacharias"} {
		update(t, store, account, func(tx *Tx) error {
			_, err := tx.Append("inbox", []byte("plaintext of a message"))
			return errors.Join(err,
				tx.Put("contacts", bobsID, []byte("plaintext of a contact")),
				tx.Put("contacts", "carol", bytes.Repeat([]byte("plaintext"), 600)),
				tx.Put("sessions", bobsID, []byte("plaintext of a session")))
		})
	}
	return store
}

// readAll reopens the keystore and reads everything in it.
func readAll(t *testing.T, dir string) (map[string]string, error) {
	t.Helper()
	store, err := Open(t.Context(), dir, Unlock{}, Options{LockTimeout: time.Nanosecond})
	if err != nil {
		return nil, err
	}
	accounts, err := store.Accounts(t.Context())
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, account := range accounts {
		err := store.View(t.Context(), account, func(tx *Tx) error {
			_, err := tx.ordered("inbox").last()
			errs := []error{err}
			for _, table := range []Table{"contacts", "sessions", "inbox"} {
				errs = append(errs,
					tx.ForEach(table, func(name string, value []byte) error {
						all[fmt.Sprint(account, table, name)] = string(value)
						return nil
					}),
					tx.Range(table, 0, func(seq uint64, value []byte) error {
						all[fmt.Sprint(account, table, seq)] = string(value)
						return nil
					}))
			}
			return errors.Join(errs...)
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func TestNothingReadableInFile(t *testing.T) {
	store := newFilledStore(t)
	content, err := os.ReadFile(filepath.Join(store.dir, databaseName))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"alice", "zacharias", "contacts", "inbox", "sessions", bobsID, bobsID[:16], "carol", "plaintext",
		string(store.keys.data[:]), string(store.keys.index[:]),
	} {
		if bytes.Contains(content, []byte(text)) {
			t.Errorf("%q is in the file", text)
		}
	}
}

// Single bytes are changed all over the file. A read then returns an error or everything.
func TestChangedBytes(t *testing.T) {
	store := newFilledStore(t)
	path := filepath.Join(store.dir, databaseName)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	original, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := readAll(t, store.dir)
	if err != nil || len(want) != 8 {
		t.Fatalf("%d records, error %v", len(want), err)
	}
	used := len(bytes.TrimRight(original, "\x00"))
	corrupt := 0
	for i := 0; i < used; i++ {
		if i%os.Getpagesize() > 64 && i%17 != 0 { // Page headers are changed byte by byte, the rest here and there.
			continue
		}
		if _, err := file.WriteAt([]byte{^original[i]}, int64(i)); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(t, store.dir)
		switch {
		case errors.Is(err, ErrCorrupt):
			corrupt++
		case err != nil && !errors.Is(err, ErrKeyFile) && !errors.Is(err, ErrVersion) &&
			!errors.Is(err, ErrAccountNotFound):
			t.Errorf("byte %d: got error %v", i, err)
		}
		rolledBack := errors.New("rolled back")
		err = store.Update(t.Context(), "alice", func(tx *Tx) error {
			return errors.Join(tx.Delete("contacts", "carol"), tx.Put("contacts", "carol", nil), rolledBack)
		})
		if !errors.Is(err, rolledBack) && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) &&
			!errors.Is(err, ErrNotFound) && !errors.Is(err, ErrAccountNotFound) {
			t.Errorf("byte %d, Update: got error %v", i, err)
		}
		if got != nil && !maps.Equal(got, want) {
			t.Errorf("byte %d: %d records of %d, without an error", i, len(got), len(want))
		}
		if _, err := file.WriteAt(original[i:i+1], int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	if corrupt < 100 {
		t.Errorf("only %d of %d changes were noticed", corrupt, used)
	}
}

func TestCutFile(t *testing.T) {
	store := newFilledStore(t)
	for _, size := range []int64{12 << 10, 9 << 10, 8 << 10, 4096, 1, 0} { // the records do not fit into 12 KiB
		if err := os.Truncate(filepath.Join(store.dir, databaseName), size); err != nil {
			t.Fatal(err)
		}
		if _, err := readAll(t, store.dir); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d bytes: got error %v", size, err)
		}
	}
	if err := store.Update(t.Context(), "alice", func(*Tx) error { return nil }); !errors.Is(err, ErrCorrupt) {
		t.Errorf("empty file: got error %v", err)
	}
}
