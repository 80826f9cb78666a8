package account

import (
	"fmt"
	"testing"
	"time"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/lifetime"
)

// A request that was accepted after 41 days would begin a session that does not open: the prekeys are gone. It is
// answered with a request, and the sender's answer to that makes friends.
func TestOldRequestIsAnsweredWithRequest(t *testing.T) {
	for _, days := range []time.Duration{8, 41} {
		t.Run(fmt.Sprint(int(days), " days"), func(t *testing.T) {
			w := newWorld(t)
			alice, bob := w.person("alice"), w.person("bob")
			bob.get(alice.asks(bob, "hello"))
			for range days {
				w.pass(lifetime.Day)
				alice.gets()
			}
			out, err := bob.Accept(t.Context(), alice.ID().String())
			if err != nil {
				t.Fatal(err)
			}
			if out.Kind != KindFriendRequest {
				t.Errorf("after %d days the answer is a %s", days, out.Kind)
			}
			bob.wantState(alice, StateReceived)
			alice.get(bob.sends(out, nil))
			w.chat(alice, bob)
			bob.wantState(alice, StateFriends)
			w.talk(alice, bob)
		})
	}
}

// A version without that rule accepts, and its message names prekeys that are gone. The sender of the request then
// begins a session itself.
func TestOldAcceptanceHeals(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	asked := alice.asks(bob, "hello")
	for range 41 {
		w.pass(lifetime.Day)
		alice.gets()
	}
	bob.get(w.repack(asked, w.now)) // so that bob takes it for a new one
	accepted := bob.accepts(alice)
	w.pass(time.Second)
	wantFailure(t, alice.get(accepted), inbox.CodeUnknownPrekey)
	w.chat(alice, bob)
	alice.wantState(bob, StateFriends)
	w.talk(alice, bob)
}
