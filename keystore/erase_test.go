package keystore

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
)

// openAnything returns what an attacker learns from a file and the keystore's data key: everything that opens with a
// key derived from the data key, or with a key found in something opened before. It tries all pages, free ones
// included, and sealed values of all formats, by their construction alone.
func openAnything(store *Store, file []byte) (loot []byte) {
	const page = 4096
	candidates := map[secret]bool{}
	add := func(content []byte) {
		loot = append(loot, content...)
		for at := 0; at+32 <= len(content); at++ {
			candidates[secret(content[at:at+32])] = true
		}
	}
	add(openStates(store, file))
	tried := map[secret]bool{}
	for more := true; more; {
		more = false
		for key := range candidates {
			if tried[key] || key == (secret{}) {
				continue
			}
			tried[key], more = true, true
			aead, err := chacha20poly1305.New(key[:])
			if err != nil {
				panic(err)
			}
			for start := 0; start+page <= len(file); start += page {
				if file[start] == 0 && bytes.Count(file[start:start+page], []byte{0}) == page {
					continue
				}
				for size := page; size <= 3*page && start+size <= len(file); size += page {
					if content, err := aead.Open(nil, make([]byte, chacha20poly1305.NonceSize), file[start:start+size],
						nil); err == nil {
						add(content)
					}
				}
			}
		}
	}
	return loot
}

// After the change that replaced them, neither the file nor a backup yields replaced ratchet states, used prekeys,
// removed accounts, or the data key under a former passphrase.
func TestWhatIsDeletedIsGone(t *testing.T) {
	store := newTestStore(t)
	secretText := func(what string, n int) string { return fmt.Sprintf("<%s %d>", what, n) }
	if err := store.CreateAccount(t.Context(), "former", func(tx *Tx) error {
		return tx.Put("t", "n", []byte(secretText("removed", 0)))
	}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(store.dir, databaseName)
	has := func(file []byte, what string, n int) bool {
		return bytes.Contains(openAnything(store, file), []byte(secretText(what, n)))
	}
	read := func() []byte {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	if !has(read(), "removed", 0) {
		t.Fatal("the thief does not find what is there")
	}
	if err := store.RemoveAccount(t.Context(), "former"); err != nil {
		t.Fatal(err)
	}
	if has(read(), "removed", 0) {
		t.Error("a removed account is in the file")
	}
	const rounds = 6
	for i := range rounds {
		update(t, store, "alice", func(tx *Tx) error {
			_, err := tx.Append("inbox", []byte(secretText("message", i)))
			return errors.Join(err,
				tx.Put("sessions", bobsID, bytes.Repeat([]byte(secretText("state", i)), 1+i*100)),
				tx.Put("prekeys", fmt.Sprint(i), []byte(secretText("prekey", i))),
				tx.Delete("prekeys", fmt.Sprint(i-1)))
		})
	}
	file := read()
	loot := openAnything(store, file)
	for i := range rounds {
		for _, what := range []string{"state", "prekey", "message"} {
			want := i == rounds-1 || what == "message"
			if found := bytes.Contains(loot, []byte(secretText(what, i))); found != want {
				t.Errorf("%s %d: found %v, want %v", what, i, found, want)
			}
		}
	}

	// A backup, opened with every key there is, has only the current state.
	from := bufio.NewReader(bytes.NewReader(backup(t, store)))
	prefix, _, err := readBackupHeader(from)
	if err != nil {
		t.Fatal(err)
	}
	chunks := &backupReader{newBackupCipher(store.keys, prefix), from, make([]byte, 0, backupChunk+16), nil, false}
	saved, err := io.ReadAll(chunks)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rounds {
		if has := bytes.Contains(saved, []byte(secretText("state", i))); has != (i == rounds-1) {
			t.Errorf("state %d is in the backup: %v", i, has)
		}
	}

	former, err := readHeader(t.Context(), path, store.options)
	if err != nil {
		t.Fatal(err)
	}
	store.options.kdf = cheap.kdf
	if err := store.ChangePassphrase(t.Context(), passphrase("new")); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(read(), former.wrap.sealed[:]) {
		t.Error("the data key is in the file as the former key sealed it")
	}
}

// Compact shortens the file and leaves only what is in use.
func TestCompact(t *testing.T) {
	store := newTestStore(t)
	update(t, store, "alice", func(tx *Tx) error {
		var errs []error
		for range 3000 {
			_, err := tx.Append("inbox", make([]byte, 1000))
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
	update(t, store, "alice", func(tx *Tx) error {
		var errs []error
		for seq := range uint64(2990) {
			errs = append(errs, tx.DeleteSeq("inbox", seq+1))
		}
		return errors.Join(append(errs, tx.Put("t", "n", []byte("kept")))...)
	})
	if err := store.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if size, err := store.Size(); err != nil || size > 1<<20 {
		t.Errorf("%d bytes, error %v", size, err)
	}
	if n, err := store.Check(t.Context()); err != nil || n != 1+1+10+1 {
		t.Errorf("%d records, error %v", n, err)
	}
	if got := get(t, reopen(t, store), "alice", "t", "n"); got != "kept" {
		t.Errorf("got %q", got)
	}
}
