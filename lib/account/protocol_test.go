package account

import (
	"errors"
	"strings"
	"testing"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
)

// The protocol for each kind of recipient, when the draft names none.
func TestProtocolOfADraft(t *testing.T) {
	old := contacts.Contact{}
	old.FriendsSince = old.FriendsSince.AddDate(2020, 0, 0)
	for name, test := range map[string]struct {
		draft   Draft
		contact contacts.Contact
		want    Protocol
	}{
		"a stranger on a network of 2.0": {Draft{Network: storage.Generation20}, contacts.Contact{},
			ProtocolSignal},
		"a stranger on one of 2.8": {Draft{Network: storage.Generation28}, contacts.Contact{},
			ProtocolSessionV1},
		"a stranger on an unknown one": {Draft{}, contacts.Contact{}, ProtocolSignal},
		"a session-v1 contact, on 2.0": {Draft{Network: storage.Generation20},
			contacts.Contact{Protocol: ProtocolSessionV1}, ProtocolSessionV1},
		"a signal contact, on 2.8": {Draft{Network: storage.Generation28},
			contacts.Contact{Protocol: ProtocolSignal}, ProtocolSignal},
		"a friend from before there was a choice": {Draft{Network: storage.Generation28}, old, ProtocolSignal},
		"whatever is known, if one insists":       {Draft{Protocol: ProtocolSessionV1}, old, ProtocolSessionV1},
	} {
		if got := test.draft.ProtocolFor(test.contact); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// People speak as the other side did last, in both directions, on the network of either storage RPC.
func TestProtocolIsLearned(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.wantProtocol(bob, ProtocolSignal)

	insisting := Draft{To: bob.ID(), Text: "from a phone", Protocol: ProtocolSessionV1}
	event := bob.get(alice.sends(alice.Send(t.Context(), insisting)))
	wantText(t, event, "from a phone")
	if event.Asks {
		t.Error("a friend asks")
	}
	alice.wantProtocol(bob, ProtocolSignal) // what one insists on once is no habit
	bob.wantProtocol(alice, ProtocolSessionV1)
	out := bob.seals(Draft{To: alice.ID(), Text: "answer", Network: storage.Generation20})
	if len(out.Ack) != 0 {
		t.Error("the answer is of protocol signal")
	}
	wantText(t, alice.get(out.Data), "answer")
	alice.wantProtocol(bob, ProtocolSessionV1)

	// And back again: the session is still there.
	back := Draft{To: bob.ID(), Text: "at my desk", Protocol: ProtocolSignal}
	wantText(t, bob.get(alice.sends(alice.Send(t.Context(), back))), "at my desk")
	bob.wantProtocol(alice, ProtocolSignal)
}

// Protocol signal takes a session, even between friends of session-v1.
func TestFriendsV1HaveNoSession(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.pals()
	_, err := alice.Send(t.Context(), Draft{To: bob.ID(), Text: "hi", Protocol: ProtocolSignal})
	if !errors.Is(err, ErrNotFriends) {
		t.Errorf("without a session: %v, want ErrNotFriends", err)
	}
	// A request of signal makes one, at once, since they are friends.
	request := Draft{To: bob.ID(), Text: "let us have one", Protocol: ProtocolSignal}
	bob.get(alice.sends(alice.RequestFriend(t.Context(), request, true)))
	w.chat(alice, bob)
	w.talk(alice, bob)
	alice.wantProtocol(bob, ProtocolSignal)
	bob.wantProtocol(alice, ProtocolSignal)
}

// A request of either protocol may be answered in the other.
func TestRequestsAnsweredInTheOtherProtocol(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.person("alice"), w.person("bob"), w.person("carol")
	bob.get(alice.asks(bob, "by a bundle"))
	answer := Draft{To: alice.ID(), Text: "by a box", Protocol: ProtocolSessionV1}
	wantText(t, alice.get(bob.sends(bob.Send(t.Context(), answer))), "by a box")
	alice.wantState(bob, StateFriends)
	bob.wantState(alice, StateFriends)

	bob.get(carol.writes(bob, "by a box"))
	bundle := bob.get(carol.asksBySignal(bob))
	if bundle.Kind != inbox.EventFriendRequest || bundle.State != StateReceived {
		t.Errorf("the bundle is %+v", bundle)
	}
	carol.get(bob.accepts(carol))
	w.chat(bob, carol)
	w.talk(bob, carol)
}

// asksBySignal sends a signal friend request to a contact that has messages already.
func (p *person) asksBySignal(to *person) string {
	p.w.t.Helper()
	return p.sends(p.RequestFriend(p.w.t.Context(), Draft{To: to.ID(), Text: "hi", Protocol: ProtocolSignal}, true))
}

// A listener sends its status only to friends with a session: protocol session-v1 has no field for it.
func TestFriendsV1AreToldNoStatus(t *testing.T) {
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

// A keystore of an older version has other words for the protocols. A contact that is stored again has the new word.
func TestProtocolOfAnOlderKeystore(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.person("alice"), w.person("bob"), w.person("carol")
	for id, word := range map[sessionid.ID]string{bob.ID(): "2020", carol.ID(): "today"} {
		err := alice.update(t.Context(), func(tx *keystore.Tx) error {
			return tx.Put(contacts.Table, id.String(), []byte(`{"id":"`+id.String()+`","protocol":"`+word+`"}`))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	alice.wantProtocol(bob, ProtocolSignal)
	alice.wantProtocol(carol, ProtocolSessionV1)
	if text, err := contacts.Encode(contacts.Contact{Protocol: ProtocolSessionV1}); err != nil ||
		!strings.Contains(string(text), `"protocol":"session-v1"`) {
		t.Errorf("stored as %s, %v", text, err)
	}
}
