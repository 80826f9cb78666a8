package account

import (
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/storage"
)

// Sending and polling read the contacts that they are about, and no others: an account may have tens of thousands. Here
// one of the others cannot be read, so that whatever reads all of them fails.
func TestNothingReadsAllContacts(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	carol, stranger := w.person("carol"), w.stranger()
	carol.get(alice.writes(carol, "hi carol"))
	alice.get(carol.writes(alice, "hi alice"))
	alice.names(bob.ID(), "bob")
	alice.get(stranger.asks(alice, "the list of those that wait is made at the first request"))
	err := alice.update(t.Context(), func(tx *keystore.Tx) error {
		return tx.Put("contacts", "unreadable", []byte("{"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Contacts(t.Context()); err == nil {
		t.Fatal("the test's contact can be read")
	}

	bob.get(alice.says(bob, "by protocol signal"))
	carol.get(alice.writes(carol, "by session-v1"))
	if _, err := alice.Named(t.Context(), "bob"); err != nil {
		t.Error(err)
	}
	for hour := range 3 {
		w.pass(time.Duration(hour) * time.Hour)
		alice.get(bob.says(alice, "to alice"))
		alice.get(carol.writes(alice, "to alice"))
		alice.get(stranger.asks(alice, "please"))
		if gap, err := alice.Polled(t.Context()); err != nil || len(gap) > 0 {
			t.Errorf("a poll is recorded with %v, %v", gap, err)
		}
		events := alice.events()
		if len(events) < 2 {
			t.Errorf("%d events are printed", len(events))
		}
		if err := alice.SendRead(t.Context(), events); err != nil {
			t.Error(err)
		}
		alice.answers()
	}
	if err := alice.Block(t.Context(), carol.ID()); err != nil {
		t.Error(err)
	}
	if event := alice.get(carol.writes(alice, "blocked")); event.Kind != inbox.EventControl {
		t.Errorf("a blocked contact is shown: %+v", event)
	}
	draft := Draft{To: w.person("dora").ID(), Text: "to a new contact", Network: storage.Generation28}
	alice.seals(draft)
}
