package inbox

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/sessionid"
)

// newStore makes a keystore with the account bob.
func newStore(t *testing.T) *keystore.Store {
	t.Helper()
	store, err := keystore.Create(t.Context(), t.TempDir()+"/keystore", keystore.Unlock{}, keystore.Options{})
	if err == nil {
		err = store.CreateAccount(t.Context(), "bob", func(*keystore.Tx) error { return nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	return store
}

var day0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// keepDays keeps one delivered event a day.
func keepDays(tx *keystore.Tx, days int) error {
	for day := range days {
		event := Event{ID: ID(fmt.Sprint(day)), Kind: EventMessage, Text: fmt.Sprint(day), ReceivedAt: dayAfter(day)}
		err := Keep(tx, &event, "")
		if err == nil {
			err = Delivered(tx, event)
		}
		if err == nil {
			err = Remember(tx, event, nil, event.ReceivedAt)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func dayAfter(n int) time.Time { return day0.Add(time.Duration(n) * 24 * time.Hour) }

func texts(tx *keystore.Tx) (all []string, err error) {
	events, err := From(tx, 1, 1000)
	for _, event := range events {
		all = append(all, event.Text)
	}
	return all, err
}

// A prune deletes by number and by age. What waits stays, what was set aside goes, and every message is still
// recognized when it comes again.
func TestPrune(t *testing.T) {
	store := newStore(t)
	for _, test := range []struct {
		kept Kept
		want string
	}{
		{Kept{}, "[0 1 2 3 4 5 6 7 8 9]"},
		{Kept{For: 8 * 24 * time.Hour}, "[1 3 4 5 6 7 8 9]"}, // 1 waits
		{Kept{Count: 2}, "[1 8 9]"},
		{Kept{Count: 5}, "[1 8 9]"},
	} {
		err := store.Update(t.Context(), "bob", func(tx *keystore.Tx) error {
			if test.kept.All() {
				err := keepDays(tx, 10)
				err = errors.Join(err, putMark(tx, 2, mark{Attempts: 1}), putMark(tx, 3, mark{Attempts: 2, Aside: true}))
				if err != nil {
					return err
				}
			}
			if _, err := Prune(tx, test.kept, dayAfter(10)); err != nil {
				return err
			}
			got, err := texts(tx)
			if fmt.Sprint(got) != test.want {
				t.Errorf("after %+v there are %v, want %s", test.kept, got, test.want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := store.View(t.Context(), "bob", func(tx *keystore.Tx) error {
		for day := range 10 {
			if before, found, err := Before(tx, ID(fmt.Sprint(day))); err != nil || !found || before.Retry {
				t.Errorf("the message of day %d is %+v, %v, %v", day, before, found, err)
			}
		}
		aside, err := SetAside(tx)
		if len(aside) != 1 || aside[2] {
			t.Errorf("waiting: %v", aside)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// An event that is missing without a prune is damage, not a pruned one.
func TestMissingEventIsCorrupt(t *testing.T) {
	err := newStore(t).Update(t.Context(), "bob", func(tx *keystore.Tx) error {
		if err := keepDays(tx, 3); err != nil {
			return err
		}
		if err := tx.DeleteSeq(TableEvents, 2); err != nil {
			return err
		}
		if _, _, err := Before(tx, ID("1")); !errors.Is(err, keystore.ErrCorrupt) {
			t.Errorf("got %v, want ErrCorrupt", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Marks of versions that stored the owner alone are read, and one without attempts is written like that.
func TestMarks(t *testing.T) {
	err := newStore(t).Update(t.Context(), "bob", func(tx *keystore.Tx) error {
		event := Event{ID: "e", Kind: EventMessage, From: sessionid.ID{1}}
		if err := Keep(tx, &event, "p1"); err != nil {
			return err
		}
		value, _, err := tx.Get(TableUndelivered, "1")
		if string(value) != `"p1"` {
			t.Errorf("the mark is %s", value)
		}
		mine := func(owner string) bool { return owner == "p1" }
		waiting, err2 := Undelivered(tx, mine)
		if len(waiting) != 1 || waiting[0].Attempts != 0 {
			t.Errorf("waiting %+v", waiting)
		}
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What was begun and not written has no attempt.
func TestWithdraw(t *testing.T) {
	err := newStore(t).Update(t.Context(), "bob", func(tx *keystore.Tx) error {
		event := Event{ID: "e", Kind: EventMessage}
		if err := Keep(tx, &event, "p1"); err != nil {
			return err
		}
		anybody := func(string) bool { return true }
		for i, want := range []int{1, 1, 1, 2} {
			begun, err := Begin(tx, []Waiting{WaitingOf(event)}, "p1", anybody, 0)
			if err != nil || len(begun) != 1 || begun[0].Attempt != want {
				t.Errorf("begun %+v, %v, want attempt %d", begun, err, want)
			}
			if i < 2 {
				if err := Withdraw(tx, begun...); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
