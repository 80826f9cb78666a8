package keystore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// lockFile holds the lock like another process, until the caller calls unlock.
func lockFile(t *testing.T, store *Store) (unlock func()) {
	t.Helper()
	file, err := os.Open(filepath.Join(store.dir, databaseName))
	if err != nil {
		t.Fatal(err)
	}
	if err := takeLock(file, true); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestLockTimeout(t *testing.T) {
	store := newTestStore(t)
	synctest.Test(t, func(t *testing.T) {
		unlock := lockFile(t, store)
		defer unlock()
		nothing := func(*Tx) error { return nil }
		for name, operation := range map[string]func() error{
			"View":   func() error { return store.View(t.Context(), "alice", nothing) },
			"Update": func() error { return store.Update(t.Context(), "alice", nothing) },
			"Backup": func() error { return store.Backup(t.Context(), io.Discard, nil) },
			"Open":   func() error { _, err := Open(t.Context(), store.dir, Unlock{}, Options{}); return err },
			"OpenAccount": func() error {
				_, _, err := OpenAccount(t.Context(), store.dir, Unlock{}, Options{}, "", nothing)
				return err
			},
			"rewrite": func() error { return store.ChangePassphrase(t.Context(), Unlock{}) },
		} {
			start := time.Now()
			if err := operation(); !errors.Is(err, ErrLocked) {
				t.Errorf("%s: got error %v", name, err)
			}
			if waited := time.Since(start); waited != DefaultLockTimeout {
				t.Errorf("%s waited %v", name, waited)
			}
		}
	})
}

func TestLockIsTakenWhenFree(t *testing.T) {
	store := newTestStore(t)
	synctest.Test(t, func(t *testing.T) {
		unlock := lockFile(t, store)
		time.AfterFunc(9*time.Second, unlock)
		start := time.Now()
		put(t, store, "alice", "t", "n", "v")
		if waited := time.Since(start); waited < 9*time.Second || waited > 9*time.Second+2*lastRetry {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestContextEndsWaiting(t *testing.T) {
	store := newTestStore(t)
	synctest.Test(t, func(t *testing.T) {
		unlock := lockFile(t, store)
		defer unlock()
		cancelled, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		expired, cancelExpired := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancelExpired()
		for _, test := range []struct {
			ctx  context.Context
			want error
			at   time.Duration
		}{
			{cancelled, context.Canceled, 3 * time.Second},
			{expired, context.DeadlineExceeded, 5 * time.Second},
			{cancelled, context.Canceled, 5 * time.Second}, // No waiting at all.
		} {
			err := store.Update(test.ctx, "alice", func(*Tx) error { return nil })
			if !errors.Is(err, test.want) || errors.Is(err, ErrLocked) {
				t.Errorf("got error %v, want %v", err, test.want)
			}
			if at := time.Since(start(t)); at != test.at {
				t.Errorf("%v came at %v", test.want, at)
			}
		}
	})
}

// start is the time at which every synctest bubble begins.
func start(t *testing.T) time.Time {
	t.Helper()
	return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
}

// childHold holds the lock in an Update until standard input ends.
func childHold(ctx context.Context, dir string) error {
	store, err := Open(ctx, dir, Unlock{}, Options{})
	if err != nil {
		return err
	}
	return store.Update(ctx, "alice", func(tx *Tx) error {
		fmt.Println("holding")
		if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
			return err
		}
		return tx.Put("t", "n", []byte("from the child"))
	})
}

func TestAnotherProcessHoldsTheLock(t *testing.T) {
	for _, ending := range []string{"close", "kill"} {
		store := newTestStore(t)
		store.options.LockTimeout = time.Nanosecond // One try.
		cmd := child(t, "hold", store.dir)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "holding\n" {
			t.Fatalf("child says %q, error %v", line, err)
		}
		nothing := func(*Tx) error { return nil }
		if err := store.Update(t.Context(), "alice", nothing); !errors.Is(err, ErrLocked) {
			t.Errorf("Update: got error %v", err)
		}
		if err := store.View(t.Context(), "alice", nothing); !errors.Is(err, ErrLocked) {
			t.Errorf("View: got error %v", err)
		}
		want := "from the child"
		if ending == "kill" {
			want = "(none)"
			err = cmd.Process.Kill()
		} else {
			err = stdin.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); ending == "close" && err != nil {
			t.Error(err)
		}
		if got := get(t, store, "alice", "t", "n"); got != want {
			t.Errorf("%s: got %q", ending, got)
		}
	}
}

// Views do not wait for each other: a nested one would time out.
func TestViewsAreShared(t *testing.T) {
	store := newTestStore(t)
	store.options.LockTimeout = time.Nanosecond
	err := store.View(t.Context(), "alice", func(*Tx) error {
		return reopen(t, store).View(t.Context(), "alice", func(*Tx) error { return nil })
	})
	if err != nil {
		t.Error(err)
	}
}

// Goroutines with one Store, and several Stores, add to the same records: nothing is lost.
func TestConcurrentUpdates(t *testing.T) {
	const stores, goroutines, rounds = 3, 4, 5
	store := newTestStore(t)
	var wg sync.WaitGroup
	for range stores {
		opened := reopen(t, store)
		opened.options.LockTimeout = time.Hour // the last one waits for all others
		for range goroutines {
			wg.Go(func() {
				for range rounds {
					err := opened.Update(t.Context(), "alice", func(tx *Tx) error {
						value, _, err := tx.Get("t", "count")
						if err != nil {
							return err
						}
						_, appendErr := tx.Append("t", value)
						return errors.Join(appendErr, tx.Put("t", "count", append(value, '+')))
					})
					if err == nil {
						err = opened.View(t.Context(), "alice", func(tx *Tx) error { return checkCount(tx) })
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	if got := len(get(t, store, "alice", "t", "count")); got != stores*goroutines*rounds {
		t.Errorf("%d updates are left", got)
	}
}

// checkCount returns an error unless the ordered records are as many as the characters of the count.
func checkCount(tx *Tx) error {
	value, _, err := tx.Get("t", "count")
	if err != nil {
		return err
	}
	n := 0
	err = tx.Range("t", 0, func(seq uint64, _ []byte) error {
		n++
		if seq != uint64(n) {
			return fmt.Errorf("record %d has sequence number %d", n, seq)
		}
		return nil
	})
	if err == nil && n != len(value) {
		err = fmt.Errorf("%d records, but the count is %d", n, len(value))
	}
	return err
}
