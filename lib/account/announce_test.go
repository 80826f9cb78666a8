package account

import (
	"slices"
	"testing"
	"time"

	"sessiontool/lib/account/contacts"
	"sessiontool/lib/message"
	"sessiontool/lib/presence"
	"sessiontool/lib/sessionid"
)

// getVia receives one message over a route.
func (p *person) getVia(route message.Route, data string) {
	p.w.t.Helper()
	if _, err := p.Receive(p.w.t.Context(), []Incoming{{Data: data, Route: route}}, nil); err != nil {
		p.w.t.Fatal(err)
	}
}

// wantStatusFor checks whether a status for other waits in p's outbox, and takes it out.
func (p *person) wantStatusFor(other *person, want bool) {
	p.w.t.Helper()
	claimed := p.claimsOutbox()
	if got := len(claimed) == 1 && claimed[0].Kind == KindStatus && claimed[0].To == other.ID(); got != want ||
		len(claimed) > 1 {
		p.w.t.Errorf("%s has to send %+v", p.name, claimed)
	}
	for _, out := range claimed {
		p.sends(out, nil)
	}
}

// A listener that learns where a friend listens answers with its own node, once. An account that does not listen
// answers nothing.
func TestHandshake(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.listensAt(nodeA)
	bob.getVia(message.RouteAsync, alice.says(bob, "nobody listens here"))
	bob.wantStatusFor(alice, false)

	bob.listensAt(nodeB)
	w.pass(time.Second)
	alice.getVia(message.RouteSync, bob.sendsStatus(alice).Data)
	if !alice.Answered() || alice.Answered() {
		t.Error("alice does not know that she has an answer to send, or not when")
	}
	answer := alice.claimsOutbox()
	if len(answer) != 1 || answer[0].Kind != KindStatus || answer[0].TTLMillis != StatusFreshFor.Milliseconds() {
		t.Fatalf("alice answers %+v", answer)
	}
	bob.getVia(message.RouteSync, alice.sends(answer[0], nil))
	bob.wantNode(alice, nodeA)
	bob.wantStatusFor(alice, false) // it is no news

	// A stored text from a listening friend shows that the friend does not know our node. One reminder is enough for a
	// while.
	w.pass(contacts.RemindAfter)
	alice.getVia(message.RouteAsync, bob.says(alice, "stored"))
	alice.wantStatusFor(bob, true)
	alice.getVia(message.RouteAsync, bob.says(alice, "stored too"))
	alice.wantStatusFor(bob, false)
	w.pass(contacts.RemindAfter)
	alice.getVia(message.RouteSync, bob.says(alice, "handed over"))
	alice.wantStatusFor(bob, false)
	alice.getVia(message.RouteAsync, bob.sendsStatus(alice).Data)
	alice.wantStatusFor(bob, false) // or they would go on for ever

	old := bob.says(alice, "stored before alice began to listen")
	w.pass(contacts.RemindAfter)
	alice.listensAt(nodeB)
	alice.getVia(message.RouteAsync, old)
	alice.wantStatusFor(bob, false)
}

// A sender that found no listener learns from the answer to a stored text that the recipient listens again: a listener
// that hung for a moment gets the next text delivered. Other clients get no status.
func TestReminder(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.listensAt(nodeA)
	bob.get(alice.says(bob, "here"))
	tried, _ := bob.status(alice)
	if err := bob.Unreachable(t.Context(), alice.ID(), tried); err != nil {
		t.Fatal(err)
	}
	w.pass(contacts.RemindAfter)
	alice.getVia(message.RouteAsync, bob.says(alice, "stored"))
	answer := alice.claimsOutbox()
	if len(answer) != 1 || answer[0].Kind != KindStatus {
		t.Fatalf("alice answers %+v", answer)
	}
	bob.get(alice.sends(answer[0], nil))
	bob.wantNode(alice, nodeA)
	alice.getVia(message.RouteAsync, bob.says(alice, "stored on purpose"))
	alice.wantStatusFor(bob, false)

	carol := w.person("carol")
	carol.env.Original = true
	carol.get(alice.asks(carol, "hi"))
	alice.get(carol.accepts(alice))
	w.chat(alice, carol)
	w.pass(contacts.RemindAfter)
	alice.getVia(message.RouteAsync, carol.says(alice, "of another client"))
	alice.wantStatusFor(carol, false)
}

// A new status replaces a waiting one, so that no old status is sent or received after a long absence.
func TestAnnounceReplaces(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	carol, stranger := w.person("carol"), w.person("dave")
	bob.get(alice.asks(carol, "not answered"))
	first := alice.sendsStatus(bob)
	if err := alice.Release(t.Context(), first.Seq); err != nil {
		t.Fatal(err)
	}
	alice.sendsStatus(bob)
	alice.ends(presence.Crashed)
	alice = alice.anew("second")
	alice.listensAt(nodeA)
	announced, err := alice.Announce(t.Context(), bob.ID(), carol.ID(), stranger.ID())
	if err != nil || len(announced) != 1 {
		t.Fatalf("announced %+v, %v", announced, err)
	}
	if claimed := alice.anew("third").claimsOutbox(); len(claimed) > 0 {
		t.Errorf("more is left to send: %+v", claimed)
	}
	bob.get(announced[0].Data)
	bob.wantNode(alice, nodeA)
	friends, err := alice.Friends(t.Context())
	if err != nil || !slices.Equal(friends, []sessionid.ID{bob.ID()}) {
		t.Errorf("the friends are %v, %v", friends, err)
	}
}
