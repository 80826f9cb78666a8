package keystore

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// format1 reads a file of testdata/format1, which the last program with format 1 wrote; wantFormat1 lists its records.
func format1(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "format1", name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if filepath.Ext(name) != ".gz" {
		content, err := io.ReadAll(file)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// format1Dir creates a directory with a keystore of format 1 that has a key file.
func format1Dir(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keystore")
	err := errors.Join(os.Mkdir(dir, 0o700),
		os.WriteFile(filepath.Join(dir, databaseName), format1(t, "keyfile.db.gz"), 0o600),
		os.WriteFile(filepath.Join(dir, keyFileName), format1(t, "keyfile.key"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// wantFormat1 returns the records of that keystore, as readFormat1 returns them.
func wantFormat1() map[string]string {
	want := map[string]string{"alice large l": string(bytes.Repeat([]byte("large"), 20000))}
	for _, account := range []string{"alice", "zacharias"} {
		for i := range 40 {
			if seq := i + 1; seq > 19 {
				want[fmt.Sprint(account, " inbox ", seq)] = fmt.Sprintf("message %d of %s", i, account)
			}
			want[fmt.Sprint(account, " contacts contact ", i%30)] = string(bytes.Repeat([]byte{byte(i)}, 37*i))
		}
	}
	return want
}

// readFormat1 opens the keystore and reads everything in it.
func readFormat1(t testing.TB, dir string, unlock Unlock) (map[string]string, error) {
	t.Helper()
	store, err := Open(t.Context(), dir, unlock, Options{LockTimeout: time.Second})
	if err != nil {
		return nil, err
	}
	names, err := store.Accounts(t.Context())
	if err != nil {
		return nil, err
	}
	got := map[string]string{}
	for _, account := range names {
		err := store.View(t.Context(), account, func(tx *Tx) error {
			named := func(table Table) error {
				return tx.ForEach(table, func(name string, value []byte) error {
					got[fmt.Sprint(account, " ", table, " ", name)] = string(value)
					return nil
				})
			}
			return errors.Join(named("contacts"), named("large"), named("t"),
				tx.Range("inbox", 0, func(seq uint64, value []byte) error {
					got[fmt.Sprint(account, " inbox ", seq)] = string(value)
					return nil
				}))
		})
		if err != nil {
			return nil, err
		}
	}
	return got, nil
}

func TestFormat1IsConverted(t *testing.T) {
	dir := format1Dir(t)
	for range 2 {
		got, err := readFormat1(t, dir, Unlock{})
		if want := wantFormat1(); err != nil || !maps.Equal(got, want) {
			t.Fatalf("%d records of %d, error %v", len(got), len(want), err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("%d files were left, error %v", len(entries), err)
	}
	store, name, err := OpenAccount(t.Context(), dir, Unlock{}, Options{}, "zacharias", func(*Tx) error { return nil })
	if err != nil || name != "zacharias" {
		t.Fatalf("%q, error %v", name, err)
	}
	update(t, store, "zacharias", func(tx *Tx) error {
		if seq, err := tx.Append("inbox", nil); err != nil || seq != 41 {
			t.Errorf("the next sequence number is %d, error %v", seq, err)
		}
		return nil
	})
	if _, err := store.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFormat1WithPassphrase(t *testing.T) {
	for name, open := range map[string]func(dir string) error{
		"keystore": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700),
				os.WriteFile(filepath.Join(dir, databaseName), format1(t, "passphrase.db.gz"), 0o600))
		},
		"backup": func(dir string) error {
			_, err := Restore(t.Context(), dir, bytes.NewReader(format1(t, "backup.gz")), passphrase("correct horse"),
				Options{})
			return err
		},
	} {
		dir := filepath.Join(t.TempDir(), "keystore")
		if err := open(dir); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := readFormat1(t, dir, passphrase("wrong")); !errors.Is(err, ErrPassphrase) {
			t.Errorf("%s: got error %v", name, err)
		}
		got, err := readFormat1(t, dir, passphrase("correct horse"))
		if err != nil || !maps.Equal(got, map[string]string{"alice t n": "value"}) {
			t.Errorf("%s: %d records, error %v", name, len(got), err)
		}
	}
}

// After a kill at any moment, all records are there, and the next open converts.
func TestKilledWhileConverting(t *testing.T) {
	for _, stage := range []string{StageConverting, StageConverted} {
		dir := format1Dir(t)
		dieAt(t, dir, "", stage)
		got, err := readFormat1(t, dir, Unlock{})
		if want := wantFormat1(); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %d records of %d, error %v", stage, len(got), len(want), err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
			t.Errorf("%s: %d files were left, error %v", stage, len(entries), err)
		}
	}
}

// Several processes open a keystore of format 1 at once: one converts it, and no later write of another is lost.
func TestFormat1IsConvertedOnce(t *testing.T) {
	dir := format1Dir(t)
	other := false
	options := Options{CommitHook: func(stage string) {
		if stage == StageConverted && !other {
			other = true
			store, err := Open(t.Context(), dir, Unlock{}, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			put(t, store, "alice", "t", "n", "of the other")
		}
	}}
	store, err := Open(t.Context(), dir, Unlock{}, options)
	if err != nil || !other {
		t.Fatalf("other one %v, error %v", other, err)
	}
	if got := get(t, store, "alice", "t", "n"); got != "of the other" {
		t.Errorf("got %q", got)
	}
}

// The old file is overwritten once it has no name: a process that still has it open finds nothing in it.
func TestFormat1IsOverwritten(t *testing.T) {
	dir := format1Dir(t)
	old, err := os.Open(filepath.Join(dir, databaseName))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if _, err := Open(t.Context(), dir, Unlock{}, Options{}); err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(old)
	if err != nil || len(content) < 1<<20 || len(bytes.TrimLeft(content, "\x00")) > 0 {
		t.Errorf("%d bytes are left of %d, error %v", len(bytes.TrimLeft(content, "\x00")), len(content), err)
	}
}

// Format 1 cannot detect a missing record. Damage never causes a panic, and a read returns only what was written.
func TestDamagedFormat1(t *testing.T) {
	original, want := format1(t, "keyfile.db.gz"), wantFormat1()
	dir := format1Dir(t)
	path := filepath.Join(dir, databaseName)
	r := rand.New(rand.NewPCG(1, 2))
	used := len(bytes.TrimRight(original, "\x00"))
	noticed := 0
	for range 100 {
		content := bytes.Clone(original)
		at := r.IntN(used)
		if r.IntN(2) == 0 { // headers of pages and their first elements
			at = at/4096*4096 + r.IntN(100)
		}
		content[at] ^= 1 << r.IntN(8)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readFormat1(t, dir, Unlock{})
		switch {
		case errors.Is(err, ErrCorrupt), errors.Is(err, ErrKeyFile), errors.Is(err, ErrVersion):
			noticed++
		case err != nil:
			t.Errorf("byte %d: got error %v", at, err)
		}
		for name, value := range got {
			if want[name] != value {
				t.Errorf("byte %d: %s has changed", at, name)
			}
		}
	}
	if noticed < 10 {
		t.Errorf("%d of 100 were noticed", noticed)
	}
}

func FuzzReadBolt(f *testing.F) {
	f.Add(bytes.TrimRight(format1(f, "passphrase.db.gz"), "\x00"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if _, err := readFormat1Header(content); err != nil && !errors.Is(err, ErrCorrupt) &&
			!errors.Is(err, ErrVersion) {
			t.Error(err)
		}
	})
}
