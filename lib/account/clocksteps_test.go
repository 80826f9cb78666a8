package account

import (
	"fmt"
	"testing"
	"time"

	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/lifetime"
)

const month = 30 * lifetime.Day

// A machine's clock that is set forward by 30 days, or back, makes no account forget: what it has seen, the keys of the
// bundles that it gave out, and the used message keys.
func TestClockStepsForgetNothing(t *testing.T) {
	for _, step := range []time.Duration{month, -month} {
		t.Run(fmt.Sprint(step), func(t *testing.T) {
			w := newWorld(t)
			alice, bob := w.friends()
			for range 10 { // alice rotates her prekey
				w.pass(2 * lifetime.Day)
				alice.gets()
			}
			carol := w.person("carol")
			asked := alice.asks(carol, "are you there?")
			text := bob.says(alice, "before")
			alice.get(text)
			twin := bob.copied("twin")
			bobsNext, twinsNext := bob.says(alice, "mine"), twin.says(alice, "no, mine")
			alice.get(bobsNext)
			before := len(alice.signedPrekeys())

			w.pass(step)
			alice.gets()
			if after := len(alice.signedPrekeys()); after <= before {
				t.Errorf("of %d signed prekeys %d are left and a new one", before, after)
			}
			if !alice.gets(text)[0].Duplicate {
				t.Error("what was seen is forgotten")
			}
			wantFailure(t, alice.get(twinsNext), inbox.CodeKeyReused)
			carol.get(asked)
			alice.get(carol.accepts(alice))
			wantText(t, carol.get(alice.says(carol, "good")), "good")
		})
	}
}

// A clock that jumps back and forth every night makes an account forget at most twice as fast.
func TestClockJumpsEveryNight(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	text := bob.says(alice, "before")
	alice.get(text)
	for range inbox.SeenFor / lifetime.Day / 2 {
		for _, step := range []time.Duration{month, -month, lifetime.Day} {
			w.pass(step)
			if !alice.gets(text)[0].Duplicate {
				t.Fatal("what was seen is forgotten")
			}
		}
	}
	if n := len(alice.signedPrekeys()); n > 100 {
		t.Errorf("%d signed prekeys are kept", n)
	}
}

// A reset that was made by a clock far ahead does not keep the next one off.
func TestResetAfterClockStep(t *testing.T) {
	w := newWorld(t)
	for age, want := range map[time.Duration]bool{0: true, resetEvery - 1: true, resetEvery: false, -1: false} {
		if got := contacts.Early(w.now, w.now.Add(-age), resetEvery); got != want {
			t.Errorf("an age of %v is early: %v", age, got)
		}
	}
}
