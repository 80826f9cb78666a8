package keystore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

func TestOpenWithoutKeystore(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{
		"no directory":    filepath.Join(empty, "missing"),
		"empty directory": empty,
		"a file":          file,
	} {
		if _, err := Open(t.Context(), dir, Unlock{}, Options{}); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	if entries, err := os.ReadDir(empty); err != nil || len(entries) != 0 {
		t.Errorf("Open left %d files, error %v", len(entries), err)
	}
}

func TestCreateMakesParents(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if _, err := Create(t.Context(), dir, Unlock{}, Options{}); err != nil {
		t.Error(err)
	}
}

func TestCreateOpensWhatIsThere(t *testing.T) {
	store := newTestStore(t)
	put(t, store, "alice", "t", "n", "v")
	again, err := Create(t.Context(), store.dir, Unlock{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := get(t, again, "alice", "t", "n"); got != "v" {
		t.Errorf("got %q", got)
	}
}

// childCreate waits for the end of standard input, then creates a keystore.
func childCreate(ctx context.Context, dir string) error {
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	store, err := Create(ctx, dir, Unlock{}, Options{})
	if err != nil {
		return err
	}
	return store.CreateAccount(ctx, fmt.Sprint("process-", os.Getpid()), nil)
}

// Of processes that create a keystore at once, one creates it and the others open it: no account is lost.
func TestProcessesCreateAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keystore")
	start, signal, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var processes []*exec.Cmd
	var want []string
	for range 6 {
		cmd := child(t, "create", dir)
		cmd.Stdin, cmd.Stdout = start, os.Stdout
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		processes = append(processes, cmd)
		want = append(want, fmt.Sprint("process-", cmd.Process.Pid))
	}
	if err := errors.Join(start.Close(), signal.Close()); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range processes {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	store, err := Open(t.Context(), dir, Unlock{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := store.Accounts(t.Context())
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, want %q, error %v", got, want, err)
	}
}

// The same with a passphrase. The process that comes second asks for it once.
func TestCreateLosesTheRace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keystore")
	asked := 0
	counting := Unlock{Passphrase: func(ctx context.Context) ([]byte, error) {
		asked++
		return []byte("correct horse"), nil
	}}
	options := cheap
	var first *Store
	options.CommitHook = func(stage string) {
		if stage == StagePublish {
			var err error
			if first, err = Create(t.Context(), dir, passphrase("correct horse"), cheap); err != nil {
				t.Error(err)
			}
		}
	}
	second, err := Create(t.Context(), dir, counting, options)
	if err != nil {
		t.Fatal(err)
	}
	if second.keys.data != first.keys.data || asked != 1 {
		t.Errorf("same keystore: %v, asked %d times", second.keys.data == first.keys.data, asked)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%d files, error %v", len(entries), err)
	}
}
