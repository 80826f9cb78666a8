package outbox

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/presence"
)

// The memory of keys is bounded: a queue of more than MaxRemembered loses its oldest.
func TestMemoryIsBounded(t *testing.T) {
	now := time.Date(2020, 6, 5, 12, 0, 0, 0, time.UTC)
	dir := filepath.Join(t.TempDir(), "keystore")
	store, err := keystore.Create(t.Context(), dir, keystore.Unlock{}, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateAccount(t.Context(), "alice", func(*keystore.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	in := func(work func(tx *keystore.Tx) error) {
		t.Helper()
		if err := store.Update(context.Background(), "alice", work); err != nil {
			t.Fatal(err)
		}
	}
	key := func(i int) string { return fmt.Sprint("key ", i) }
	in(func(tx *keystore.Tx) error {
		for i := range 3 {
			if err := remember(tx, Entry{Digest: key(i), Content: "c", Receipt: &Receipt{OK: true}}, now); err != nil {
				return err
			}
		}
		return nil
	})
	box := New(Process{
		Now: func() time.Time { return now }, Owner: "me", Announce: func() error { return nil },
		StateOf: func(string) presence.State { return presence.Gone },
	})
	known := func() (all []bool) {
		in(func(tx *keystore.Tx) error {
			all = nil
			for i := range 3 {
				_, found, err := box.ResumeKey(tx, key(i), "c")
				if err != nil {
					return err
				}
				all = append(all, found)
			}
			return nil
		})
		return all
	}
	if got := fmt.Sprint(known()); got != "[true true true]" {
		t.Errorf("known: %s", got)
	}
	in(func(tx *keystore.Tx) error { return forget(tx, MaxRemembered+2, now) })
	if got := fmt.Sprint(known()); got != "[false false true]" {
		t.Errorf("known after %d more: %s", MaxRemembered-1, got)
	}
	in(func(tx *keystore.Tx) error { return forget(tx, 3, now.Add(RememberedFor+1)) })
	if got := fmt.Sprint(known()); got != "[false false false]" {
		t.Errorf("known after their time: %s", got)
	}
}
