package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPutGetDelete(t *testing.T) {
	store := newTestStore(t)
	if got := get(t, store, "alice", "contacts", "bob"); got != "(none)" {
		t.Errorf("empty table has %q", got)
	}
	put(t, store, "alice", "contacts", "bob", "first")
	put(t, store, "alice", "contacts", "bob", "second")
	put(t, store, "alice", "contacts", "", "")
	if got := get(t, reopen(t, store), "alice", "contacts", "bob"); got != "second" {
		t.Errorf("got %q", got)
	}
	if got := get(t, store, "alice", "contacts", ""); got != "" {
		t.Errorf("empty name and value: got %q", got)
	}
	if got := get(t, store, "alice", "sessions", "bob"); got != "(none)" {
		t.Errorf("another table has %q", got)
	}
	for range 2 { // The second time there is nothing to delete.
		update(t, store, "alice", func(tx *Tx) error { return tx.Delete("contacts", "bob") })
		if got := get(t, store, "alice", "contacts", "bob"); got != "(none)" {
			t.Errorf("after Delete: %q", got)
		}
	}
}

func TestForEach(t *testing.T) {
	store := newTestStore(t)
	want := map[string]string{}
	update(t, store, "alice", func(tx *Tx) error {
		for i := range 500 {
			name := fmt.Sprint("name ", i)
			want[name] = strings.Repeat("v", i)
			if err := tx.Put("contacts", name, []byte(want[name])); err != nil {
				return err
			}
		}
		_, err := tx.Append("contacts", []byte("ordered records are not shown"))
		return err
	})
	got := map[string]string{}
	err := store.View(t.Context(), "alice", func(tx *Tx) error {
		return tx.ForEach("contacts", func(name string, value []byte) error {
			got[name] = string(value)
			return nil
		})
	})
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %d of %d records, error %v", len(got), len(want), err)
	}

	// ForEach can delete the whole table.
	update(t, store, "alice", func(tx *Tx) error {
		return tx.ForEach("contacts", func(name string, _ []byte) error {
			delete(want, name)
			return tx.Delete("contacts", name)
		})
	})
	if len(want) != 0 {
		t.Errorf("%d records were not shown", len(want))
	}
}

func TestForEachStops(t *testing.T) {
	store := newTestStore(t)
	put(t, store, "alice", "contacts", "bob", "1")
	put(t, store, "alice", "contacts", "carol", "2")
	stop := errors.New("stop")
	for _, test := range []struct{ returned, want error }{{fs.SkipAll, nil}, {stop, stop}} {
		calls := 0
		err := store.View(t.Context(), "alice", func(tx *Tx) error {
			return tx.ForEach("contacts", func(string, []byte) error {
				calls++
				return test.returned
			})
		})
		if err != test.want || calls != 1 {
			t.Errorf("%v: error %v after %d calls", test.returned, err, calls)
		}
	}
}

func TestSizes(t *testing.T) {
	store := newTestStore(t)
	largest := bytes.Repeat([]byte("x"), MaxValueSize)
	longest := strings.Repeat("n", MaxNameSize)
	put(t, store, "alice", "t", longest, string(largest))
	if got := get(t, store, "alice", "t", longest); got != string(largest) {
		t.Error("the largest record did not come back")
	}
	update(t, store, "alice", func(tx *Tx) error {
		seq, appendErr := tx.Append("t", largest)
		if appendErr != nil {
			t.Errorf("Append of the largest value: %v", appendErr)
		}
		_, appendErr = tx.Append("t", append(largest, 0))
		for i, err := range []error{
			appendErr,
			tx.Put("t", longest+"n", nil),
			tx.Put("t", "n", append(largest, 0)),
			tx.PutSeq("t", seq, append(largest, 0)),
		} {
			if !errors.Is(err, ErrTooLarge) {
				t.Errorf("case %d: got error %v", i, err)
			}
		}
		return nil
	})
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	store := newTestStore(t)
	failure := errors.New("failure")
	err := store.Update(t.Context(), "alice", func(tx *Tx) error {
		if err := tx.Put("t", "n", []byte("v")); err != nil {
			return err
		}
		return failure
	})
	if err != failure {
		t.Errorf("got error %v", err)
	}
	if got := get(t, store, "alice", "t", "n"); got != "(none)" {
		t.Errorf("after an error: %q", got)
	}

	func() {
		defer func() {
			if got := recover(); got != "oops" {
				t.Errorf("recovered %v", got)
			}
		}()
		store.Update(t.Context(), "alice", func(tx *Tx) error {
			if err := tx.Put("t", "n", []byte("v")); err != nil {
				return err
			}
			panic("oops")
		})
	}()
	if got := get(t, store, "alice", "t", "n"); got != "(none)" {
		t.Errorf("after a panic: %q", got)
	}
}

func TestViewIsReadOnly(t *testing.T) {
	store := newTestStore(t)
	err := store.View(t.Context(), "alice", func(tx *Tx) error {
		_, appendErr := tx.Append("t", nil)
		for i, err := range []error{
			appendErr, tx.Put("t", "n", nil), tx.Delete("t", "n"), tx.PutSeq("t", 1, nil), tx.DeleteSeq("t", 1),
		} {
			if !errors.Is(err, ErrReadOnly) {
				t.Errorf("case %d: got error %v", i, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTxIsOverAfterItsFunction(t *testing.T) {
	store := newTestStore(t)
	var escaped *Tx
	update(t, store, "alice", func(tx *Tx) error {
		escaped = tx
		return nil
	})
	if _, _, err := escaped.Get("t", "n"); !errors.Is(err, ErrTxDone) {
		t.Errorf("Get: %v", err)
	}
	if err := escaped.Put("t", "n", nil); !errors.Is(err, ErrTxDone) {
		t.Errorf("Put: %v", err)
	}
}

func TestAccounts(t *testing.T) {
	store := newTestStore(t)
	ctx := t.Context()
	if err := store.CreateAccount(ctx, "bob",
		func(tx *Tx) error { return tx.Put("t", "n", []byte("bob's")) }); err != nil {
		t.Fatal(err)
	}
	put(t, store, "alice", "t", "n", "alice's")
	if got := get(t, store, "bob", "t", "n"); got != "bob's" {
		t.Errorf("bob has %q", got)
	}
	if err := store.CreateAccount(ctx, "bob", nil); !errors.Is(err, ErrAccountExists) {
		t.Errorf("second bob: %v", err)
	}
	failure := errors.New("failure")
	if err := store.CreateAccount(ctx, "carol", func(*Tx) error { return failure }); err != failure {
		t.Errorf("carol: %v", err)
	}
	names, err := reopen(t, store).Accounts(ctx)
	if err != nil || !slices.Equal(names, []string{"alice", "bob"}) {
		t.Errorf("accounts %q, error %v", names, err)
	}

	if err := store.RemoveAccount(ctx, "bob"); err != nil {
		t.Fatal(err)
	}
	nothing := func(*Tx) error { return nil }
	for what, err := range map[string]error{
		"RemoveAccount": store.RemoveAccount(ctx, "bob"),
		"View":          store.View(ctx, "bob", nothing),
		"Update":        store.Update(ctx, "bob", nothing),
	} {
		if !errors.Is(err, ErrAccountNotFound) {
			t.Errorf("%s without the account: %v", what, err)
		}
	}
	// A new account of the same name starts empty.
	if err := store.CreateAccount(ctx, "bob", nil); err != nil {
		t.Fatal(err)
	}
	if got := get(t, store, "bob", "t", "n"); got != "(none)" {
		t.Errorf("new bob has %q", got)
	}
	if got := get(t, store, "alice", "t", "n"); got != "alice's" {
		t.Errorf("alice has %q", got)
	}
}

func TestAccountNames(t *testing.T) {
	store := newTestStore(t)
	for _, name := range []string{"a", "A-b_c.9", "..", strings.Repeat("x", MaxAccountNameSize)} {
		if err := store.CreateAccount(t.Context(), name, nil); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "a b", "a/b", "ä", "a\x00", "a\n", strings.Repeat("x", MaxAccountNameSize+1)} {
		if err := store.CreateAccount(t.Context(), name, nil); !errors.Is(err, ErrAccountName) {
			t.Errorf("%q: got error %v", name, err)
		}
	}
}

func TestStoreDoesNotPrintKeys(t *testing.T) {
	store := newTestStore(t)
	for _, format := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d"} {
		for _, value := range []any{store, store.keys, store.keys.data, &store.keys.index, &Tx{keys: store.keys}} {
			printed := fmt.Sprintf(format, value)
			for _, key := range []secret{store.keys.data, store.keys.index} {
				for _, leak := range []string{fmt.Sprintf("%x", key[:4]), strings.Trim(fmt.Sprint(key[:4]), "[]")} {
					if strings.Contains(printed, leak) {
						t.Errorf("%s of %T shows a key", format, value)
					}
				}
			}
		}
	}
}

// A derived key is the same for every process that opens the keystore, and another one for another purpose or keystore.
func TestDeriveKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keystore")
	store, err := Create(t.Context(), dir, Unlock{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(t.Context(), dir, Unlock{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := Create(t.Context(), filepath.Join(t.TempDir(), "keystore"), Unlock{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	key := store.DeriveKey("a")
	if key != again.DeriveKey("a") {
		t.Error("the same keystore derives two keys")
	}
	if key == store.DeriveKey("b") || key == other.DeriveKey("a") || key == [32]byte(store.keys.index) {
		t.Error("the key is used for something else")
	}
}
