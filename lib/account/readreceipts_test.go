package account

import (
	"slices"
	"testing"
	"time"

	"sessiontool/lib/account/inbox"
)

// Friends get one receipt for all their texts, in each protocol; strangers, blocked contacts and the account itself get
// none, and nothing else is receipted.
func TestReadReceipts(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	carol, dora := w.person("carol"), w.person("dora")
	carol.get(alice.writes(carol, "hi carol"))
	alice.get(carol.writes(alice, "hi alice"))
	alice.get(dora.writes(alice, "let me in"))
	for _, text := range []string{"one", "two"} {
		w.pass(time.Second)
		alice.get(bob.says(alice, text))
	}
	events := alice.events()
	events = append(events, inbox.Event{Kind: inbox.EventMessage, From: alice.ID(), TimestampMS: 1})
	if err := alice.SendRead(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	sent := alice.claimsOutbox()
	var to []string
	for _, out := range sent {
		if out.Kind == KindControl && out.Digest[:4] == "read" {
			to = append(to, map[string]string{bob.ID().String(): "bob", carol.ID().String(): "carol"}[out.To.String()])
		}
	}
	slices.Sort(to)
	if !slices.Equal(to, []string{"bob", "carol"}) {
		t.Fatalf("receipts go to %q", to)
	}
	for _, out := range sent {
		if out.To != bob.ID() || out.Digest[:4] != "read" {
			continue
		}
		event := bob.get(out.Data)
		if event.Kind != inbox.EventDelivery || event.Text != "read" || len(event.Timestamps) != 3 { // with the pong
			t.Errorf("bob learns %+v", event)
		}
	}
	alice.blocks(carol)
	if err := alice.SendRead(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	for _, out := range alice.claimsOutbox() {
		if out.To == carol.ID() {
			t.Errorf("a blocked contact gets %+v", out)
		}
	}
}

// Events are acknowledged by their IDs, also those that no message brought; one that waits no more is no error.
func TestAcknowledge(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.events()
	if _, err := alice.Polled(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.pass(5 * 24 * time.Hour)
	gap, err := alice.Polled(t.Context())
	if err != nil || len(gap) != 1 {
		t.Fatalf("the gap is %v, %v", gap, err)
	}
	text := alice.get(bob.says(alice, "hi"))
	done, err := alice.Acknowledge(t.Context(), []string{gap[0].ID, text.ID, "none", text.ID}, false)
	if err != nil || len(done) != 4 || !done[0].Found || !done[1].Found || done[2].Found || !done[3].Already {
		t.Errorf("acknowledged %+v, %v", done, err)
	}
	if events := alice.events(); len(events) > 0 {
		t.Errorf("still wait %+v", events)
	}
}
