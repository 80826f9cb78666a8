package account

import (
	"errors"
	"slices"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/addressbook"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/sessionid"
)

// names gives a contact a name.
func (p *person) names(id sessionid.ID, name string) {
	p.w.t.Helper()
	if err := p.NameContact(p.w.t.Context(), id, name, false); err != nil {
		p.w.t.Fatal(err)
	}
}

// blocks blocks a contact.
func (p *person) blocks(other *person) {
	p.w.t.Helper()
	if err := p.Block(p.w.t.Context(), other.ID()); err != nil {
		p.w.t.Fatal(err)
	}
}

// A name is the user's: one for an ID, one ID for a name, free again when it is taken away. What a contact calls itself
// finds nothing, and is named in the error.
func TestNamesOfContacts(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	carol := w.person("carol")
	ctx := t.Context()
	alice.get(carol.asks(alice, "hi"))
	finds := func(name string, want *person) {
		t.Helper()
		id, err := alice.Named(ctx, name)
		if want == nil {
			if !errors.Is(err, addressbook.ErrUnknown) {
				t.Errorf("%s is %v, %v", name, id, err)
			}
			return
		}
		if err != nil || id != want.ID() {
			t.Errorf("%s is %v, %v", name, id, err)
		}
	}
	finds("carol", nil)
	var unknown *addressbook.UnknownError
	_, err := alice.Named(ctx, "Carol")
	if !errors.As(err, &unknown) || !slices.Equal(unknown.Similar, []sessionid.ID{carol.ID()}) {
		t.Errorf("the error has the candidates %+v", unknown)
	}
	alice.names(bob.ID(), "Bob")
	finds("bOB", bob)
	err = alice.NameContact(ctx, carol.ID(), "BOB", false)
	var taken *addressbook.TakenError
	if !errors.As(err, &taken) || taken.Holder != bob.ID() {
		t.Errorf("a name is given twice: %v", err)
	}
	alice.names(bob.ID(), "bob") // the same name in another spelling
	alice.names(bob.ID(), "robert")
	finds("bob", nil)
	alice.names(carol.ID(), "bob")
	finds("bob", carol)
	alice.names(carol.ID(), "")
	finds("bob", nil)
	if err := alice.NameContact(ctx, alice.ID(), "me", false); !errors.Is(err, ErrSelf) {
		t.Errorf("the account itself gets a name: %v", err)
	}
	if err := alice.NameContact(ctx, w.person("dora").ID(), "dora", true); !errors.Is(err, ErrUnknownContact) {
		t.Errorf("a contact that is none is renamed: %v", err)
	}
	if err := alice.RemoveContact(ctx, bob.ID()); err != nil {
		t.Fatal(err)
	}
	finds("robert", nil)
}

// Events have the present name of their sender, whenever they were received.
func TestEventsHaveNames(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.get(bob.says(alice, "hi"))
	alice.names(bob.ID(), "bob")
	if events := alice.events(); len(events) == 0 || events[len(events)-1].Name != "bob" {
		t.Errorf("delivered are %+v", events)
	}
	alice.names(bob.ID(), "robert")
	events, err := alice.Inbox(t.Context(), 1)
	if err != nil || events[0].Name != "robert" {
		t.Errorf("the inbox has %+v, %v", events, err)
	}
}

// A stranger whom the user has named does not make room for other strangers.
func TestNamedStrangersStay(t *testing.T) {
	w := newWorld(t)
	alice, mallory := w.person("alice"), w.stranger()
	alice.get(mallory.asks(alice, "please"))
	alice.names(mallory.keys.ID(), "mallory")
	err := alice.update(t.Context(), func(tx *keystore.Tx) error {
		waits, err := strangerContacts{alice.Account, tx, alice.book(tx)}.Waits(mallory.keys.ID())
		if waits {
			t.Error("a named stranger counts among those that wait")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What a blocked friend sends leaves no trace on either route: no event, no acknowledgement, no answer, no change of the
// contact. When the block ends, later messages of the same session open, and those before do not come back.
func TestBlockedFriend(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	waiting := bob.says(alice, "before")
	alice.get(waiting)
	alice.blocks(bob)
	if events := alice.events(); len(events) != 0 {
		t.Errorf("after the block are delivered %+v", events)
	}
	before, err := alice.Contact(t.Context(), bob.ID())
	if err != nil || !before.Blocked {
		t.Errorf("the contact is %+v, %v", before, err)
	}
	during := bob.says(alice, "during")
	opened := slices.Concat(alice.getsSync(during), alice.gets(during, during))
	for i, one := range opened {
		if one.Event.Seq != 0 || len(one.Ack) > 0 || one.Refused != (i == 0) {
			t.Errorf("the copy %d of a message is %+v", i, one)
		}
	}
	if sent := alice.answers(); len(sent) > 0 {
		t.Errorf("a blocked friend gets %d messages", len(sent))
	}
	if friends, err := alice.Friends(t.Context()); err != nil || len(friends) > 0 {
		t.Errorf("the status goes to %v, %v", friends, err)
	}
	if _, err := alice.Send(t.Context(), Draft{To: bob.ID(), Text: "hi"}); !errors.Is(err, addressbook.ErrBlocked) {
		t.Errorf("sent to a blocked contact: %v", err)
	}
	if _, err := alice.RequestFriend(t.Context(), Draft{To: bob.ID(), Text: "hi"}, true); !errors.Is(err,
		addressbook.ErrBlocked) {
		t.Errorf("asked a blocked contact: %v", err)
	}
	if report := alice.report(); !report.Empty() {
		t.Errorf("what a blocked friend sent is counted: %+v", report)
	}
	if err := alice.Unblock(t.Context(), bob.ID()); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Second)
	alice.gets(during)
	if event := alice.get(bob.says(alice, "after")); event.Text != "after" {
		t.Errorf("after the block comes %+v", event)
	}
	if events := alice.events(); len(events) != 1 || events[0].Text != "after" {
		t.Errorf("after the block are delivered %+v", events)
	}
}

// Blocking works in every protocol and for an ID that was never heard of, and it takes the request that waits away.
func TestBlockedStranger(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	alice.blocks(bob)
	for _, data := range []string{bob.asks(alice, "hi"), bob.writes(alice, "hi")} {
		if event := alice.get(data); event.Seq != 0 || event.Kind != inbox.EventControl {
			t.Errorf("alice gets %+v", event)
		}
	}
	alice.wantState(bob, StateNone)
	carol := w.person("carol")
	alice.get(carol.asks(alice, "please"))
	alice.blocks(carol)
	alice.wantState(carol, StateNone)
	if events := alice.events(); len(events) != 0 {
		t.Errorf("delivered are %+v", events)
	}
	if err := alice.RemoveContact(t.Context(), carol.ID()); err != nil {
		t.Fatal(err)
	}
	if contact, err := alice.Contact(t.Context(), carol.ID()); err != nil || !contact.Blocked {
		t.Errorf("a removed contact that is blocked: %+v, %v", contact, err)
	}
	if err := alice.Block(t.Context(), alice.ID()); !errors.Is(err, ErrSelf) {
		t.Errorf("the account blocks itself: %v", err)
	}
}
