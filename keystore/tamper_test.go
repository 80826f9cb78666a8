package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

const bobsID = "05b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0"

// newFilledStore makes a keystore with two accounts and records of both kinds, small and large.
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

// readAll opens the keystore anew and reads everything in it.
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

// Labels of the same contact differ between accounts and tables, so they do not show who knows whom.
func TestLabelsDiffer(t *testing.T) {
	store := newFilledStore(t)
	parts := map[string]int{}
	editBolt(t, store, func(tx *bbolt.Tx) error {
		return eachSealed(tx, func(key, _ []byte) error {
			for part := range slices.Chunk(key, len(label{})) {
				if len(part) == len(label{}) {
					parts[string(part)]++
				}
			}
			return nil
		})
	})
	once := 0
	for _, n := range parts {
		if n == 1 {
			once++
		}
	}
	// The labels of 6 named records, and of the 2 sections that have a single record.
	if once != 8 {
		t.Errorf("%d labels are used once", once)
	}
}

// eachSealed calls fn with each sealed record of all accounts.
func eachSealed(tx *bbolt.Tx, fn func(key, sealed []byte) error) error {
	return tx.Bucket(recordsBucket).ForEach(func(key, sealed []byte) error {
		if len(key) < len(label{}) {
			return nil
		}
		return fn(bytes.Clone(key), bytes.Clone(sealed))
	})
}

// A sealed value is good in its own place only: each one is copied over each other one.
func TestSwappedValues(t *testing.T) {
	store := newFilledStore(t)
	path := filepath.Join(store.dir, databaseName)
	original, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var keys, values [][]byte
	editBolt(t, store, func(tx *bbolt.Tx) error {
		return eachSealed(tx, func(key, sealed []byte) error {
			keys, values = append(keys, key), append(values, sealed)
			return nil
		})
	})
	if len(values) != 12 {
		t.Fatalf("%d sealed values, want 12", len(values))
	}
	for from := range values {
		for to := range values {
			if from == to {
				continue
			}
			editBolt(t, store, func(tx *bbolt.Tx) error {
				return tx.Bucket(recordsBucket).Put(keys[to], values[from])
			})
			if _, err := readAll(t, store.dir); !errors.Is(err, ErrCorrupt) {
				t.Errorf("value %d in place of %d: got error %v", from, to, err)
			}
			if err := os.WriteFile(path, original, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Values of a removed account do not fit into a new one of the same name.
func TestValuesOfRemovedAccount(t *testing.T) {
	store := newTestStore(t)
	put(t, store, "alice", "t", "n", "old")
	// The longest key is that of the named record.
	record := func(tx *bbolt.Tx) (longest, value []byte, err error) {
		err = eachSealed(tx, func(key, sealed []byte) error {
			if len(key) > len(longest) {
				longest, value = key, sealed
			}
			return nil
		})
		return longest, value, err
	}
	var old []byte
	editBolt(t, store, func(tx *bbolt.Tx) (err error) {
		_, old, err = record(tx)
		return err
	})
	err := errors.Join(store.RemoveAccount(t.Context(), "alice"), store.CreateAccount(t.Context(), "alice", nil))
	if err != nil {
		t.Fatal(err)
	}
	put(t, store, "alice", "t", "n", "new")
	editBolt(t, store, func(tx *bbolt.Tx) error {
		key, _, err := record(tx)
		return errors.Join(err, tx.Bucket(recordsBucket).Put(key, old))
	})
	err = store.View(t.Context(), "alice", func(tx *Tx) error {
		_, _, err := tx.Get("t", "n")
		return err
	})
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("got error %v", err)
	}
}

// One byte after the other is changed, all over the file. What is read is then an error, or the truth: records may be
// missing, as after a deletion, but none is different.
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
		case err != nil && !errors.Is(err, ErrKeyFile) && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrAccountNotFound):
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
		for name, value := range got {
			if want[name] != value {
				t.Errorf("byte %d: %s has changed", i, name)
			}
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
	for _, size := range []int64{minSize, minSize - 1, 4096, 1, 0} { // The records do not fit into minSize.
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

// A page that leads bbolt astray is an error, not a panic, and the lock is free again afterwards.
func TestDamagedPages(t *testing.T) {
	store := newFilledStore(t)
	path := filepath.Join(store.dir, databaseName)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(content[2*os.Getpagesize():]) // All but the meta pages.
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	store.options.LockTimeout = time.Nanosecond
	for range 2 {
		err := store.Update(t.Context(), "alice", func(*Tx) error { return nil })
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("Update: got error %v", err)
		}
		_, err = store.Accounts(t.Context())
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("Accounts: got error %v", err)
		}
	}
}

// A transaction in which something was found corrupt is not committed, even if its function goes on.
func TestDamageFoundOnTheWay(t *testing.T) {
	store := newTestStore(t)
	put(t, store, "alice", "t", "n", "old")
	err := store.Update(t.Context(), "alice", func(tx *Tx) error {
		if err := tx.Put("t", "n", []byte("new")); err != nil {
			return err
		}
		if err := tx.db.guard(func() error { panic("page is not a page") }); !errors.Is(err, ErrCorrupt) {
			t.Errorf("guard: got error %v", err)
		}
		if _, _, err := tx.Get("t", "n"); !errors.Is(err, ErrCorrupt) {
			t.Errorf("Get: got error %v", err)
		}
		return nil
	})
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("got error %v", err)
	}
	if got := get(t, store, "alice", "t", "n"); got != "old" {
		t.Errorf("got %q", got)
	}
}
