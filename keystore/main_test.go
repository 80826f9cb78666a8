package keystore

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// cheap makes Argon2id fast enough for tests. Open takes the parameters from the header.
var cheap = Options{kdf: kdf{memory: 64, passes: 1, threads: 1}}

// TestMain lets the test binary be its own child process: it runs the command in the environment instead of the tests.
func TestMain(m *testing.M) {
	if command, ok := os.LookupEnv("KEYSTORE_CHILD"); ok {
		if err := children[command](context.Background(), os.Getenv("KEYSTORE_DIR")); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// children are the commands of child processes.
var children = map[string]func(ctx context.Context, dir string) error{
	"create": childCreate,
	"hold":   childHold,
	"append": childAppend,
	"die":    childDie,
	"unlock": childUnlock,
	"change": childChange,
}

func child(t testing.TB, command, dir string, env ...string) *exec.Cmd {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), executable)
	cmd.Env = append(os.Environ(), append(env, "KEYSTORE_CHILD="+command, "KEYSTORE_DIR="+dir)...)
	return cmd
}

func passphrase(text string) Unlock {
	return Unlock{Passphrase: func(context.Context) ([]byte, error) { return []byte(text), nil }}
}

// newTestStore creates a keystore with a key file and the account alice, and reopens it, so that nothing is cached.
func newTestStore(t testing.TB) *Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keystore")
	store, err := Create(t.Context(), dir, Unlock{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateAccount(t.Context(), "alice", nil); err != nil {
		t.Fatal(err)
	}
	return reopen(t, store)
}

func reopen(t testing.TB, store *Store) *Store {
	t.Helper()
	reopened, err := Open(t.Context(), store.dir, Unlock{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return reopened
}

func update(t testing.TB, store *Store, account string, fn func(*Tx) error) {
	t.Helper()
	if err := store.Update(t.Context(), account, fn); err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, store *Store, account string, table Table, name, value string) {
	t.Helper()
	update(t, store, account, func(tx *Tx) error { return tx.Put(table, name, []byte(value)) })
}

// get returns a record's value, or "(none)".
func get(t testing.TB, store *Store, account string, table Table, name string) string {
	t.Helper()
	result := "(none)"
	err := store.View(t.Context(), account, func(tx *Tx) error {
		value, found, err := tx.Get(table, name)
		if found {
			result = string(value)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return result
}
