package keystore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Without test options, a passphrase costs what the package documents: 64 MiB, 3 passes, 2 threads.
func TestCostOfPassphrase(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keystore")
	if _, err := Create(t.Context(), dir, passphrase("correct horse"), Options{}); err != nil {
		t.Fatal(err)
	}
	h, err := readHeader(t.Context(), filepath.Join(dir, databaseName), Options{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	w := h.wrap
	if want := (kdf{memory: 64 << 10, passes: 3, threads: 2}); w.kind != wrappedByPassphrase || w.kdf != want {
		t.Errorf("kind %d with %+v", w.kind, w.kdf)
	}
	if w.salt == [saltSize]byte{} {
		t.Error("no salt")
	}
}

func TestParseFormat(t *testing.T) {
	good := newFormat()
	if f, err := parseFormat(good[:]); err != nil || f != good {
		t.Errorf("got %v, error %v", f, err)
	}
	for _, test := range []struct {
		name string
		b    []byte
		want error
	}{
		{"nothing", nil, ErrCorrupt},
		{"half a version", []byte{0, 0, 0}, ErrCorrupt},
		{"version 0", make([]byte, formatSize), ErrCorrupt},
		{"short id", good[:formatSize-1], ErrCorrupt},
		{"long id", append(good[:], 0), ErrCorrupt},
		{"next version", []byte{0, 0, 0, formatVersion + 1}, ErrVersion},
		{"far version, other layout", bytes.Repeat([]byte{0xff}, 100), ErrVersion},
	} {
		if _, err := parseFormat(test.b); !errors.Is(err, test.want) {
			t.Errorf("%s: got error %v", test.name, err)
		}
	}
}

func TestParseWrap(t *testing.T) {
	f, data := newFormat(), newSecret()
	for name, test := range map[string]struct {
		kdf kdf
		ok  bool
	}{
		"default":          {defaultKDF, true},
		"bounds":           {maxKDF, true},
		"least":            {kdf{memory: 8, passes: 1, threads: 1}, true},
		"too much memory":  {kdf{memory: 1<<20 + 1, passes: 3, threads: 2}, false},
		"too little":       {kdf{memory: 15, passes: 3, threads: 2}, false},
		"too many passes":  {kdf{memory: 64, passes: 65, threads: 2}, false},
		"no pass":          {kdf{memory: 64, passes: 0, threads: 2}, false},
		"too many threads": {kdf{memory: 1024, passes: 3, threads: 17}, false},
		"no thread":        {kdf{memory: 64, passes: 3, threads: 0}, false},
	} {
		w := newPassphraseWrap(test.kdf)
		w.seal(f, newSecret(), data)
		parsed, err := parseWrap(w.encode())
		if test.ok && (err != nil || parsed != w) {
			t.Errorf("%s: error %v", name, err)
		}
		if !test.ok && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

// A wrap with any change in the header does not open.
func TestWrapAuthenticatesHeader(t *testing.T) {
	f, key, data := newFormat(), newSecret(), newSecret()
	w := newPassphraseWrap(cheap.kdf)
	w.seal(f, key, data)
	if got, err := w.open(f, key); err != nil || got != data {
		t.Fatalf("error %v", err)
	}
	if _, err := w.open(f, newSecret()); err == nil {
		t.Error("opened with another key")
	}
	for i := range f {
		changed := f
		changed[i] ^= 1
		if _, err := w.open(changed, key); err == nil {
			t.Errorf("opened with byte %d of the format changed", i)
		}
	}
	encoded := w.encode()
	for i := range encoded {
		changed := bytes.Clone(encoded)
		changed[i] ^= 1
		parsed, err := parseWrap(changed)
		if err == nil {
			_, err = parsed.open(f, key)
		}
		if err == nil {
			t.Errorf("opened with byte %d of the wrap changed", i)
		}
	}
}

func FuzzParseFormat(f *testing.F) {
	good := newFormat()
	f.Add(good[:])
	f.Add([]byte{0, 0, 0, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		parsed, err := parseFormat(b)
		if err == nil && !bytes.Equal(parsed[:], b) {
			t.Errorf("%x became %x", b, parsed)
		}
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
			t.Errorf("got error %v", err)
		}
	})
}

func FuzzParseWrap(f *testing.F) {
	f.Add(newKeyFileWrap().encode())
	f.Add(newPassphraseWrap(defaultKDF).encode())
	f.Add([]byte{wrappedByPassphrase})
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := parseWrap(b)
		if err == nil && !bytes.Equal(w.encode(), b) {
			t.Errorf("%x became %x", b, w.encode())
		}
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("got error %v", err)
		}
	})
}

// Open accepts or refuses a keystore by its header; a program that has it open notices a change.
func TestHeaderOnDisk(t *testing.T) {
	const versionAt = 19 // offset of the version's last byte
	for name, test := range map[string]struct {
		change func(slot []byte)
		want   error
	}{
		"from the future":  {func(slot []byte) { slot[versionAt]++ }, ErrVersion},
		"of another kind":  {func(slot []byte) { slot[0]++ }, ErrCorrupt},
		"with another id":  {func(slot []byte) { slot[versionAt+1]++ }, ErrCorrupt},
		"that is blank":    {func(slot []byte) { clear(slot) }, ErrCorrupt},
		"without an end":   {func(slot []byte) { clear(slot[2000:]) }, ErrCorrupt},
		"with a long wrap": {func(slot []byte) { slot[44] = 0xff }, ErrCorrupt},
	} {
		store := newTestStore(t)
		editFile(t, store, func(content []byte) {
			for _, slot := range [][]byte{content[:4096], content[4096:8192]} {
				if slot[0] != 0 {
					test.change(slot)
				}
			}
		})
		if _, err := Open(t.Context(), store.dir, Unlock{}, Options{}); !errors.Is(err, test.want) {
			t.Errorf("%s: got error %v", name, err)
		}
		err := store.Update(t.Context(), "alice", func(*Tx) error { return nil })
		if !errors.Is(err, test.want) {
			t.Errorf("%s, already open: got error %v", name, err)
		}
	}
}

// A process that continues after its keystore was replaced must not write into the new one.
func TestKeystoreIsReplaced(t *testing.T) {
	store := newTestStore(t)
	if err := os.RemoveAll(store.dir); err != nil {
		t.Fatal(err)
	}
	if err := store.CreateAccount(t.Context(), "bob", nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("without a keystore: %v", err)
	}
	if _, err := Create(t.Context(), store.dir, Unlock{}, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := store.CreateAccount(t.Context(), "bob", nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("with another keystore: %v", err)
	}
}

// editFile changes keystore.db without the keystore's lock.
func editFile(t *testing.T, store *Store, change func(content []byte)) {
	t.Helper()
	path := filepath.Join(store.dir, databaseName)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change(content)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
