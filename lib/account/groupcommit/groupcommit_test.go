package groupcommit_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"sessiontool/keystore"
	"sessiontool/lib/account/groupcommit"
)

const table keystore.Table = "texts"

// shop is a keystore whose commits are counted and wait for the test.
type shop struct {
	store   *keystore.Store
	group   *groupcommit.Group
	commits int
	begun   chan struct{}
	goOn    chan struct{}
}

func newShop(t *testing.T) *shop {
	t.Helper()
	store, err := keystore.Create(t.Context(), filepath.Join(t.TempDir(), "keystore"), keystore.Unlock{},
		keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateAccount(t.Context(), "a", func(*keystore.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	s := &shop{store: store, begun: make(chan struct{}, 100), goOn: make(chan struct{}, 100)}
	s.group = groupcommit.New(func(ctx context.Context, work func(*keystore.Tx) error) error {
		s.begun <- struct{}{}
		<-s.goOn
		s.commits++
		return store.Update(ctx, "a", work)
	})
	return s
}

func appends(text string) func(*keystore.Tx) error {
	return func(tx *keystore.Tx) error {
		_, err := tx.Append(table, []byte(text))
		return err
	}
}

func (s *shop) texts(t *testing.T) (texts []string) {
	t.Helper()
	err := s.store.View(t.Context(), "a", func(tx *keystore.Tx) error {
		return tx.Range(table, 0, func(_ uint64, value []byte) error {
			texts = append(texts, string(value))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// What gathers while a commit runs is one commit, in order.
func TestOneCommitForMany(t *testing.T) {
	s := newShop(t)
	first := s.group.Begin(appends("first"))
	<-s.begun
	var others []*groupcommit.Pending
	want := []string{"first"}
	for i := range 50 {
		want = append(want, fmt.Sprint(i))
		others = append(others, s.group.Begin(appends(fmt.Sprint(i))))
	}
	s.goOn <- struct{}{}
	s.goOn <- struct{}{}
	for _, p := range append(others, first) {
		if err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if got := s.texts(t); !slices.Equal(got, want) || s.commits != 2 {
		t.Errorf("%d commits of %q", s.commits, got)
	}
}

// One that fails leaves no trace, and the others are as if it had not been.
func TestFailureStaysAlone(t *testing.T) {
	s := newShop(t)
	broken := errors.New("broken")
	first := s.group.Begin(appends("first"))
	<-s.begun
	bad := s.group.Begin(func(tx *keystore.Tx) error { return errors.Join(appends("bad")(tx), broken) })
	good := s.group.Begin(appends("good"))
	for range 3 {
		s.goOn <- struct{}{}
	}
	if err := bad.Wait(t.Context()); !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
	if err := errors.Join(first.Wait(t.Context()), good.Wait(t.Context())); err != nil {
		t.Error(err)
	}
	if got := s.texts(t); !slices.Equal(got, []string{"first", "good"}) {
		t.Errorf("stored are %q", got)
	}
}

// The end of a context withdraws what was not started, and nothing else.
func TestWithdrawn(t *testing.T) {
	s := newShop(t)
	ctx, cancel := context.WithCancel(t.Context())
	first := s.group.Begin(appends("first"))
	<-s.begun
	second := s.group.Begin(appends("second"))
	cancel()
	if err := second.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	s.goOn <- struct{}{}
	if err := first.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if got := s.texts(t); !slices.Equal(got, []string{"first"}) {
		t.Errorf("stored are %q", got)
	}
}

// A commit waits for the lock only as long as a caller waits for it.
func TestCallersGone(t *testing.T) {
	locked := make(chan struct{})
	group := groupcommit.New(func(ctx context.Context, _ func(*keystore.Tx) error) error {
		close(locked)
		<-ctx.Done()
		return ctx.Err()
	})
	stopped := errors.New("stopped")
	ctx, stop := context.WithCancelCause(t.Context())
	pending := group.Begin(func(*keystore.Tx) error { return nil })
	<-locked
	stop(stopped)
	if err := pending.Wait(ctx); !errors.Is(err, stopped) {
		t.Errorf("the error is %v", err)
	}
}

// If the commit fails, all of it fails.
func TestCommitFails(t *testing.T) {
	full := errors.New("disk is full")
	group := groupcommit.New(func(_ context.Context, work func(*keystore.Tx) error) error {
		return errors.Join(work(nil), full)
	})
	if err := group.Update(t.Context(), func(*keystore.Tx) error { return nil }); !errors.Is(err, full) {
		t.Errorf("the error is %v", err)
	}
}
