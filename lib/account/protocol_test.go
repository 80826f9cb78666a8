package account

import (
	"errors"
	"testing"

	"sessiontool/lib/storage"
)

// Who is spoken to how, when nothing is said about it.
func TestProtocolOfADraft(t *testing.T) {
	old := contactState{}
	old.FriendsSince = old.FriendsSince.AddDate(2020, 0, 0)
	for name, test := range map[string]struct {
		draft   Draft
		contact contactState
		want    Protocol
	}{
		"a stranger on a network of 2020":         {Draft{Network: storage.Generation20}, contactState{}, Protocol2020},
		"a stranger on one of today":              {Draft{Network: storage.Generation28}, contactState{}, ProtocolToday},
		"a stranger on an unknown one":            {Draft{}, contactState{}, Protocol2020},
		"who speaks today's, on 2020":             {Draft{Network: storage.Generation20}, contactState{Protocol: ProtocolToday}, ProtocolToday},
		"who speaks that of 2020, today":          {Draft{Network: storage.Generation28}, contactState{Protocol: Protocol2020}, Protocol2020},
		"a friend from before there was a choice": {Draft{Network: storage.Generation28}, old, Protocol2020},
		"whatever is known, if one insists":       {Draft{Protocol: ProtocolToday}, old, ProtocolToday},
	} {
		if got := test.draft.protocol(test.contact); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// People speak as the other side did last, in both directions, on the network of either generation.
func TestProtocolIsLearned(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.wantProtocol(bob, Protocol2020)

	insisting := Draft{To: bob.ID(), Text: "from a phone", Protocol: ProtocolToday}
	event := bob.get(alice.sends(alice.Send(t.Context(), insisting)))
	wantText(t, event, "from a phone")
	if event.Asks {
		t.Error("a friend asks")
	}
	alice.wantProtocol(bob, Protocol2020) // what one insists on once is no habit
	bob.wantProtocol(alice, ProtocolToday)
	out := bob.seals(Draft{To: alice.ID(), Text: "answer", Network: storage.Generation20})
	if len(out.Ack) != 0 {
		t.Error("the answer is of the protocol of 2020")
	}
	wantText(t, alice.get(out.Data), "answer")
	alice.wantProtocol(bob, ProtocolToday)

	// And back again: the session is still there.
	back := Draft{To: bob.ID(), Text: "at my desk", Protocol: Protocol2020}
	wantText(t, bob.get(alice.sends(alice.Send(t.Context(), back))), "at my desk")
	bob.wantProtocol(alice, Protocol2020)
}

// The protocol of 2020 takes a session, however friendly people are by today's.
func TestFriendsOfTodayHaveNoSession(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.pals()
	_, err := alice.Send(t.Context(), Draft{To: bob.ID(), Text: "hi", Protocol: Protocol2020})
	if !errors.Is(err, ErrNotFriends) {
		t.Errorf("without a session: %v, want ErrNotFriends", err)
	}
	// A request of 2020 makes one, at once, since they are friends.
	request := Draft{To: bob.ID(), Text: "let us have one", Protocol: Protocol2020}
	bob.get(alice.sends(alice.RequestFriend(t.Context(), request, true)))
	w.chat(alice, bob)
	w.talk(alice, bob)
	alice.wantProtocol(bob, Protocol2020)
	bob.wantProtocol(alice, Protocol2020)
}

// A request of either protocol may be answered in the other.
func TestRequestsAnsweredInTheOtherProtocol(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.person("alice"), w.person("bob"), w.person("carol")
	bob.get(alice.asks(bob, "by a bundle"))
	answer := Draft{To: alice.ID(), Text: "by a box", Protocol: ProtocolToday}
	wantText(t, alice.get(bob.sends(bob.Send(t.Context(), answer))), "by a box")
	alice.wantState(bob, StateFriends)
	bob.wantState(alice, StateFriends)

	bob.get(carol.writes(bob, "by a box"))
	bundle := bob.get(carol.asksIn2020(bob))
	if bundle.Kind != EventFriendRequest || bundle.State != StateReceived {
		t.Errorf("the bundle is %+v", bundle)
	}
	carol.get(bob.accepts(carol))
	w.chat(bob, carol)
	w.talk(bob, carol)
}

// asksIn2020 sends a friend request of 2020 to somebody who was written to before.
func (p *person) asksIn2020(to *person) string {
	p.w.t.Helper()
	return p.sends(p.RequestFriend(p.w.t.Context(), Draft{To: to.ID(), Text: "hi", Protocol: Protocol2020}, true))
}

// Who listens tells friends with a session alone: today's protocol has no word for it.
func TestFriendsOfTodayAreToldNoStatus(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.pals()
	friends, err := alice.Friends(t.Context())
	if err != nil || len(friends) != 0 {
		t.Errorf("friends to tell: %v, %v", friends, err)
	}
	announced, err := alice.Announce(t.Context(), bob.ID())
	if err != nil || len(announced) != 0 {
		t.Errorf("announced %+v, %v", announced, err)
	}
}
