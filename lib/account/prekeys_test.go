package account

import (
	"reflect"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/lifetime"
	"sessiontool/lib/account/prekeystore"
)

// signedPrekeys are the ids of p's signed prekeys, newest first.
func (p *person) signedPrekeys() (ids []uint32) {
	p.w.t.Helper()
	prekeys, err := p.Prekeys(p.w.t.Context())
	if err != nil {
		p.w.t.Fatal(err)
	}
	for _, key := range prekeys {
		if !key.OneTime {
			if key.Current != (len(ids) == 0) {
				p.w.t.Errorf("signed prekey %d is current: %v", key.ID, key.Current)
			}
			ids = append(ids, key.ID)
		}
	}
	return ids
}

// The signed prekey is replaced by the first change of the account after 48 hours.
func TestSignedPrekeyRotates(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	first := alice.bundle(bob)
	w.pass(prekeystore.RotateAfter - time.Second)
	if again := alice.bundle(bob); !reflect.DeepEqual(again, first) {
		t.Errorf("the bundle changes from %+v to %+v within 48 hours", first, again)
	}
	w.pass(time.Second)
	second := alice.bundle(bob)
	if second.SignedPrekeyID != first.SignedPrekeyID+1 || second.SignedPrekey == first.SignedPrekey {
		t.Errorf("after 48 hours the bundle is %+v", second)
	}
	if err := second.Verify(); err != nil {
		t.Error(err)
	}
	if second.OneTimePrekeyID != first.OneTimePrekeyID || *second.OneTimePrekey != *first.OneTimePrekey {
		t.Error("an unused one-time prekey was replaced")
	}
	made, err := alice.RotatePrekey(t.Context())
	if err != nil || made.ID != second.SignedPrekeyID+1 || !made.Current {
		t.Errorf("rotated by hand: %+v, %v", made, err)
	}
	if got, want := alice.signedPrekeys(), []uint32{3, 2, 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("signed prekeys %v, want %v", got, want)
	}
}

// Old signed prekeys stay for 30 days, and the newest three whatever their age.
func TestSignedPrekeysKept(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	rotate := func() {
		t.Helper()
		if _, err := alice.RotatePrekey(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		rotate()
	}
	days := func(days time.Duration) {
		t.Helper()
		for range days {
			w.pass(lifetime.Day)
			err := alice.store.Update(t.Context(), alice.name, func(tx *keystore.Tx) error {
				_, err := lifetime.Advance(tx, w.now)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	days(prekeystore.KeepFor/lifetime.Day - 1)
	rotate()
	if got, want := alice.signedPrekeys(), []uint32{6, 5, 4, 3, 2, 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("signed prekeys %v, want %v", got, want)
	}
	days(1)
	rotate()
	if got, want := alice.signedPrekeys(), []uint32{7, 6, 5}; !reflect.DeepEqual(got, want) {
		t.Errorf("signed prekeys %v, want %v", got, want)
	}
}

// A request that lay unread for weeks can still be accepted.
func TestOldRequestIsAccepted(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	bob.get(alice.asks(bob, "hi"))
	for range 5 {
		w.pass(5 * 24 * time.Hour)
		alice.gets()
	}
	alice.get(bob.accepts(alice))
	w.chat(alice, bob)
	w.talk(alice, bob)
}

// Every contact has a one-time prekey of its own, until it has used it.
func TestOneTimePrekeys(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.person("alice"), w.person("bob"), w.person("carol")
	forBob, forCarol := alice.bundle(bob), alice.bundle(carol)
	if forBob.OneTimePrekeyID != 1 || forCarol.OneTimePrekeyID != 2 {
		t.Errorf("one-time prekeys %d and %d, want 1 and 2", forBob.OneTimePrekeyID, forCarol.OneTimePrekeyID)
	}
	if again := alice.bundle(bob); !reflect.DeepEqual(again, forBob) {
		t.Errorf("bob is given %+v, then %+v", forBob, again)
	}

	bob.get(alice.asks(bob, "hi"))
	acceptance := bob.accepts(alice)
	further := bob.says(alice, "with the same prekey")
	alice.get(acceptance)
	if left := alice.oneTimePrekeys(); len(left) != 1 || left[0].For != carol.ID() {
		t.Errorf("prekeys that are left: %+v", left)
	}
	wantText(t, alice.get(further), "with the same prekey")

	if next := alice.bundle(bob); next.OneTimePrekeyID != 3 || *next.OneTimePrekey == *forBob.OneTimePrekey {
		t.Errorf("after its use bob is given %+v", next)
	}
}
