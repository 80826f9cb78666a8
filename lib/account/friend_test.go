package account

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/sessionid"
)

// A request travels, is accepted, and the acceptance is confirmed: each step has its state on both sides.
func TestFriendRequest(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")

	asked := alice.asks(bob, "it is me")
	alice.wantState(bob, StateSent)

	event := bob.get(asked)
	if event.Kind != inbox.EventFriendRequest || event.From != alice.ID() || event.Text != "it is me" ||
		event.DisplayName != "alice" || event.State != StateReceived || event.Outgoing {
		t.Errorf("bob received %+v", event)
	}
	bob.wantState(alice, StateReceived)

	accepted := bob.accepts(alice)
	bob.wantState(alice, StateFriends)

	event = alice.get(accepted)
	if event.Kind != inbox.EventFriendRequest || event.From != bob.ID() || event.Text != "it is me" ||
		event.State != StateFriends || !event.Outgoing {
		t.Errorf("alice received %+v", event)
	}
	alice.wantState(bob, StateFriends)

	confirmed := alice.answers()
	if len(confirmed) != 1 {
		t.Fatalf("alice confirms with %d messages, want 1", len(confirmed))
	}
	if event := bob.get(confirmed[0]); event.Kind != inbox.EventControl {
		t.Errorf("the confirmation shows as %+v", event)
	}
	w.talk(alice, bob)
}

// If the acceptance is lost, the first text does its job.
func TestTextAcceptsToo(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	bob.get(alice.asks(bob, "hi"))
	bob.accepts(alice)
	wantText(t, alice.get(bob.says(alice, "are you there?")), "are you there?")
	alice.wantState(bob, StateFriends)
	w.chat(alice, bob)
	w.talk(alice, bob)
}

func TestRequestWithoutText(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	if event := bob.get(alice.asks(bob, "")); event.Kind != inbox.EventFriendRequest || event.Text != "" {
		t.Errorf("bob received %+v", event)
	}
}

// A request waits for 72 hours, then it may be repeated; the answer to an expired one still counts.
func TestRequestExpires(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	asked := alice.asks(bob, "hi")
	again := func() error {
		_, err := alice.RequestFriend(t.Context(), Draft{To: bob.ID(), Text: "hi again"}, false)
		return err
	}
	w.pass(RequestPatience - time.Second)
	alice.wantState(bob, StateSent)
	if err := again(); !errors.Is(err, ErrRequestPending) {
		t.Errorf("asking again while the request waits: %v", err)
	}
	w.pass(time.Second)
	alice.wantState(bob, StateExpired)
	bob.get(asked)
	alice.get(bob.accepts(alice))
	alice.wantState(bob, StateFriends)
	if err := again(); !errors.Is(err, ErrAlreadyFriends) {
		t.Errorf("asking a friend: %v", err)
	}
}

// Asking again renews the request on both sides.
func TestRequestAgain(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	bob.get(alice.asks(bob, "first"))
	w.pass(RequestPatience)
	second := bob.get(alice.asks(bob, "second"))
	requests, err := bob.FriendRequests(t.Context())
	if err != nil || len(requests) != 1 || requests[0].Text != "second" || requests[0].ID != second.ID ||
		!requests[0].Incoming {
		t.Errorf("bob's requests are %+v (%v)", requests, err)
	}
	alice.get(bob.sends(bob.Accept(t.Context(), second.ID)))
	alice.wantState(bob, StateFriends)
	alice.wantOutgoingRequest("second", StateFriends)
}

func (p *person) wantOutgoingRequest(text string, state State) {
	p.w.t.Helper()
	requests, err := p.FriendRequests(p.w.t.Context())
	if err != nil || len(requests) != 1 || requests[0].Text != text || requests[0].State != state ||
		requests[0].Incoming {
		p.w.t.Errorf("%s's requests are %+v (%v)", p.name, requests, err)
	}
}

func TestAcceptTwice(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	if _, err := bob.Accept(t.Context(), alice.ID().String()); !errors.Is(err, ErrRequestNotFound) {
		t.Errorf("accepting a request that never came: %v", err)
	}
	request := bob.get(alice.asks(bob, "hi"))
	bob.accepts(alice)
	for _, name := range []string{request.ID, alice.ID().String()} {
		if _, err := bob.Accept(t.Context(), name); !errors.Is(err, ErrRequestNotFound) {
			t.Errorf("accepting %s twice: %v", name, err)
		}
		if _, err := bob.Decline(t.Context(), name); !errors.Is(err, ErrRequestNotFound) {
			t.Errorf("declining %s after accepting it: %v", name, err)
		}
	}
}

// A declined request is forgotten, and nothing is sent. The other side is not shown again until the user takes that back.
func TestDecline(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	event := bob.get(alice.asks(bob, "hi"))
	declined, err := bob.Decline(t.Context(), event.ID)
	if err != nil || declined.Peer != alice.ID() || declined.State != StateNone || declined.Text != "hi" {
		t.Errorf("declined %+v, %v", declined, err)
	}
	bob.wantState(alice, StateNone)
	if _, err := bob.Accept(t.Context(), event.ID); !errors.Is(err, ErrRequestNotFound) {
		t.Errorf("accepting a declined request: %v", err)
	}
	if sent := bob.answers(); len(sent) > 0 {
		t.Errorf("bob sends %d messages", len(sent))
	}
	w.pass(time.Minute)
	if event := bob.get(alice.asks(bob, "please")); event.Kind != inbox.EventControl {
		t.Errorf("the next request shows as %+v", event)
	}
	bob.wantState(alice, StateNone)
	if err := bob.Unblock(t.Context(), alice.ID()); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	if event := bob.get(alice.asks(bob, "pretty please")); event.State != StateReceived {
		t.Errorf("the request after that shows as %+v", event)
	}
}

// A request to a contact that has sent one is an error: if it only accepted, its text would be lost. With again, both
// have sent a request, and the answer makes friends.
func TestRequestToSomebodyWhoAsked(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	bob.get(alice.asks(bob, "hi"))
	if _, err := bob.RequestFriend(t.Context(), Draft{To: alice.ID(), Text: "hi too"},
		false); !errors.Is(err, ErrAskedAlready) {
		t.Errorf("asked: %v", err)
	}
	bob.wantState(alice, StateReceived)
	alice.get(bob.asks(alice, "hi too"))
	w.chat(alice, bob)
	bob.wantState(alice, StateFriends)
	w.talk(alice, bob)
}

// When both ask at once they are friends at once, whatever arrives first, and all sessions come together.
func TestSimultaneousRequests(t *testing.T) {
	for _, plain := range []bool{false, true} {
		for _, aliceFirst := range []bool{false, true} {
			t.Run(fmt.Sprintf("plain=%v,aliceFirst=%v", plain, aliceFirst), func(t *testing.T) {
				testSimultaneousRequests(t, plain, aliceFirst)
			})
		}
	}
}

func testSimultaneousRequests(t *testing.T, plain, aliceFirst bool) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	alice.env.Plain, bob.env.Plain = plain, plain
	fromAlice, fromBob := alice.asks(bob, "hi bob"), bob.asks(alice, "hi alice")
	if aliceFirst {
		bob.get(fromAlice)
		alice.get(fromBob)
	} else {
		alice.get(fromBob)
		bob.get(fromAlice)
	}
	alice.wantState(bob, StateFriends)
	bob.wantState(alice, StateFriends)
	// Texts pass in both directions before, between and after the messages that make the sessions meet.
	crossing := alice.says(bob, "crossing")
	acceptances := alice.answers()
	wantText(t, alice.get(bob.says(alice, "crossing too")), "crossing too")
	wantText(t, bob.get(crossing), "crossing")
	bob.gets(acceptances...)
	w.chat(alice, bob)
	w.talk(alice, bob)
	w.talk(bob, alice)
}

func TestRequestToSelf(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	if _, err := alice.RequestFriend(t.Context(), Draft{To: alice.ID(), Text: "hi"}, false); !errors.Is(err, ErrSelf) {
		t.Errorf("asking oneself: %v", err)
	}
	// The same words on another machine can do it, since that knows its own id as well as this one.
	twin := alice.losesAll()
	request := twin.requestWith(alice, twin.bundle(alice))
	before := alice.content()
	if event := alice.get(request); event.Kind != inbox.EventControl {
		t.Errorf("a request from oneself shows as %+v", event)
	}
	wantOnlySeen(t, before, alice.content())
}

// Only friends get texts.
func TestSendNeedsFriend(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	send := func() error {
		_, err := alice.Send(t.Context(), Draft{To: bob.ID(), Text: "hi"})
		return err
	}
	if err := send(); !errors.Is(err, ErrUnknownContact) {
		t.Errorf("to a stranger: %v", err)
	}
	alice.asks(bob, "hi")
	if err := send(); !errors.Is(err, ErrNotFriends) {
		t.Errorf("to somebody who has not answered: %v", err)
	}
	if _, err := alice.Contact(t.Context(), sessionid.ID{}); !errors.Is(err, ErrUnknownContact) {
		t.Errorf("a contact that nobody knows: %v", err)
	}
}
