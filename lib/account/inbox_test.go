package account

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/presence"
)

// claims are the events that p may print now.
func (p *person) claims() []inbox.Event {
	p.w.t.Helper()
	waiting, err := p.Waiting(p.w.t.Context())
	if err != nil {
		p.w.t.Fatal(err)
	}
	events, err := p.BeginDelivery(p.w.t.Context(), nil, waiting, 0)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return events
}

// prints marks events as delivered.
func (p *person) prints(events ...inbox.Event) {
	p.w.t.Helper()
	if err := p.MarkDelivered(p.w.t.Context(), events...); err != nil {
		p.w.t.Fatal(err)
	}
}

func wantTexts(t *testing.T, events []inbox.Event, texts ...string) {
	t.Helper()
	if len(events) != len(texts) {
		t.Errorf("got %d events, want %d: %+v", len(events), len(texts), events)
		return
	}
	for i, text := range texts {
		wantText(t, events[i], text)
	}
}

// Events wait, oldest first, until they are marked as delivered. A process is handed its own again, in case it could
// not print them.
func TestUndeliveredEvents(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.prints(alice.claims()...)
	alice.gets(bob.says(alice, "one"), bob.says(alice, "two"), bob.says(alice, "three"))
	waiting := alice.claims()
	wantTexts(t, waiting, "one", "two", "three")
	alice.prints(waiting[1])
	wantTexts(t, alice.claims(), "one", "three")
	alice.prints(waiting...)
	wantTexts(t, alice.claims())

	// The inbox has them for ever.
	events, err := alice.Inbox(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	wantTexts(t, events, "two", "three")
}

// Any process may print an event that was put aside, also while the process that received it runs.
func TestEventsPutAside(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.prints(alice.claims()...)
	in := bob.says(alice, "put aside")
	if _, err := alice.ReceiveAside(t.Context(), []Incoming{{Data: in, Route: "async"}}, nil); err != nil {
		t.Fatal(err)
	}
	second := alice.anew("second")
	wantTexts(t, second.claims(), "put aside")
	wantTexts(t, alice.claims())
}

// No process prints an event that another running process is about to print. Events of a dead process are taken over,
// once.
func TestUndeliveredEventsOfOthers(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.prints(alice.claims()...)
	alice.get(bob.says(alice, "for the first"))
	second, third := alice.anew("second"), alice.anew("third")
	wantTexts(t, second.claims())
	second.get(bob.says(alice, "for the second"))
	wantTexts(t, alice.claims(), "for the first")

	alice.ends(presence.Crashed)
	wantTexts(t, third.claims(), "for the first")
	wantTexts(t, second.claims(), "for the second")
	third.ends(presence.Gone)
	wantTexts(t, second.claims(), "for the first", "for the second")
}

// A prune gives the space back to the file system.
func TestPruneShrinksFile(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	err := alice.update(t.Context(), func(tx *keystore.Tx) error {
		for i := range 300 {
			event := inbox.Event{
				ID: fmt.Sprint(i), Kind: inbox.EventMessage, Text: strings.Repeat("x", 10_000), ReceivedAt: w.now,
			}
			if err := errors.Join(inbox.Keep(tx, &event, ""), inbox.Delivered(tx, event)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	before, err := alice.store.Size()
	if err != nil {
		t.Fatal(err)
	}
	pruned, err := alice.Prune(t.Context(), inbox.Kept{Count: 10})
	after, sizeErr := alice.store.Size()
	if err != nil || sizeErr != nil || pruned != 290 || before < 3<<20 || after > before-2<<20+1<<19 {
		t.Errorf("%d events pruned, %d bytes of %d left, %v, %v", pruned, after, before, err, sizeErr)
	}
	if events, err := alice.Inbox(t.Context(), 100); err != nil || len(events) != 10 {
		t.Errorf("%d events are left, %v", len(events), err)
	}
}

// With Keep in its environment, an account deletes old events by itself, once a day.
func TestKeep(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.Account.env.Keep = inbox.Kept{For: 24 * time.Hour}
	alice.gets(bob.says(alice, "old"))
	alice.prints(alice.claims()...)
	w.pass(48 * time.Hour)
	alice.gets(bob.says(alice, "new"))
	events, err := alice.Inbox(t.Context(), 100)
	if err != nil || len(events) != 1 || events[0].Text != "new" {
		t.Errorf("the inbox is %+v, %v", events, err)
	}
}
