package keystore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// childDie runs the command in KEYSTORE_DO and is killed at the stage in KEYSTORE_STAGE.
func childDie(ctx context.Context, dir string) error {
	deadly := Options{CommitHook: func(stage string) {
		if stage == os.Getenv("KEYSTORE_STAGE") {
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			if err == nil {
				select {} // The signal is on its way.
			}
			fmt.Println(err)
		}
	}}
	store, err := Create(ctx, dir, Unlock{}, deadly)
	if err != nil {
		return err
	}
	switch os.Getenv("KEYSTORE_DO") {
	case "update":
		return store.Update(ctx, "alice", func(tx *Tx) error { return tx.Put("t", "n", []byte("new")) })
	case "key file":
		return store.ChangePassphrase(ctx, Unlock{KeyFile: filepath.Join(dir, "other")})
	}
	return nil
}

func dieAt(t *testing.T, dir, do, stage string) {
	t.Helper()
	cmd := child(t, "die", dir, "KEYSTORE_DO="+do, "KEYSTORE_STAGE="+stage)
	cmd.Stdout = os.Stdout
	if err := cmd.Run(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("child was not killed at %q: %v", stage, err)
	}
}

func TestKilledWhileCreating(t *testing.T) {
	for _, stage := range []string{StageKeyFile, StagePublish} {
		dir := filepath.Join(t.TempDir(), "keystore")
		dieAt(t, dir, "", stage)
		if _, err := Open(t.Context(), dir, Unlock{}, Options{}); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: half a keystore is there: %v", stage, err)
		}
		store, err := Create(t.Context(), dir, Unlock{}, Options{})
		if err != nil {
			t.Fatalf("%s: creating again: %v", stage, err)
		}
		if err := store.CreateAccount(t.Context(), "alice", nil); err != nil {
			t.Errorf("%s: %v", stage, err)
		}
		reopen(t, store)
	}
}

func TestKilledWhileUpdating(t *testing.T) {
	for stage, want := range map[string]string{StageBeforeCommit: "old", StageAfterCommit: "new"} {
		store := newTestStore(t)
		put(t, store, "alice", "t", "n", "old")
		dieAt(t, store.dir, "update", stage)
		if got := get(t, reopen(t, store), "alice", "t", "n"); got != want {
			t.Errorf("%s: got %q", stage, got)
		}
		put(t, store, "alice", "t", "n", "newer")
	}
}

func TestKilledWhileChangingKeyFile(t *testing.T) {
	for stage, keyFile := range map[string]string{
		StageKeyFile: keyFileName, StageBeforeCommit: keyFileName, StageAfterCommit: "other",
	} {
		store := newTestStore(t)
		dieAt(t, store.dir, "key file", stage)
		unlock := Unlock{KeyFile: filepath.Join(store.dir, keyFile)}
		if _, err := Open(t.Context(), store.dir, unlock, Options{}); err != nil {
			t.Errorf("%s: %v", stage, err)
		}
	}
}

// childAppend appends without end and reports each durable Update.
func childAppend(ctx context.Context, dir string) error {
	store, err := Open(ctx, dir, Unlock{}, Options{})
	if err != nil {
		return err
	}
	for {
		var count int
		err := store.Update(ctx, "alice", func(tx *Tx) error {
			value, _, err := tx.Get("t", "count")
			if err != nil {
				return err
			}
			value = append(value, '+')
			count = len(value)
			_, err = tx.Append("t", make([]byte, 100*count%9000))
			return errors.Join(err, tx.Put("t", "count", value))
		})
		if err != nil {
			return err
		}
		fmt.Println(count)
	}
}

// A process is killed at a random moment, often inside a commit. Every Update that it reported is there, and no part of
// another one.
func TestKilledAtAnyMoment(t *testing.T) {
	store := newTestStore(t)
	for i := range 8 {
		cmd := child(t, "append", store.dir)
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, reported := bufio.NewScanner(stdout), 0
		var timer *time.Timer
		for lines.Scan() {
			if _, err := fmt.Sscan(lines.Text(), &reported); err != nil {
				t.Fatalf("child says %q", lines.Text())
			}
			if timer == nil { // The child has begun to write.
				timer = time.AfterFunc(time.Duration(10_300+i*137)*time.Microsecond, func() { cmd.Process.Kill() })
			}
		}
		if cmd.Wait() == nil || timer == nil {
			t.Fatal("child ended by itself")
		}
		var count int
		err = reopen(t, store).View(t.Context(), "alice", func(tx *Tx) error {
			value, _, err := tx.Get("t", "count")
			count = len(value)
			return errors.Join(err, checkCount(tx))
		})
		if err != nil {
			t.Error(err)
		}
		if count < reported || count > reported+1 {
			t.Errorf("child reported %d updates, %d are there", reported, count)
		}
	}
}
