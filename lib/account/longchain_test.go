package account

import (
	"slices"
	"testing"
	"time"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
)

// After 1 500 messages without an answer the sender asks for one, without a word to the recipient's user, and the
// recipient's answer begins a new chain.
func TestLongChainAsksForAnswer(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	bob.prints(bob.claims()...)
	alice.wastes(bob, longChain-1)
	before := alice.seals(Draft{To: bob.ID(), Text: "not yet"})
	if len(alice.answers()) != 0 || len(before.Warnings) != 0 {
		t.Errorf("after %d messages the warnings are %v", before.Unanswered, before.Warnings)
	}
	text := alice.seals(Draft{To: bob.ID(), Text: "are you there?"})
	if !slices.Contains(text.Warnings, outbox.WarnUnanswered) {
		t.Errorf("after %d messages the warnings are %v", text.Unanswered, text.Warnings)
	}
	asking := alice.answers()
	if len(asking) != 1 {
		t.Fatalf("%d requests wait", len(asking))
	}
	for range askAnswerEvery - 2 { // the request was a message, too
		if extra := alice.seals(Draft{To: bob.ID(), Text: "hm"}); extra.Unanswered < longChain {
			t.Fatalf("%d messages are unanswered", extra.Unanswered)
		}
	}
	if n := len(alice.answers()); n != 0 {
		t.Errorf("%d requests wait too early", n)
	}
	bob.gets(asking[0], alice.sends(text, nil))
	if events := bob.claims(); len(events) != 1 || events[0].Kind != inbox.EventMessage {
		t.Errorf("bob is shown %+v", events)
	}
	alice.gets(bob.answers()...)
	if next := alice.seals(Draft{To: bob.ID(), Text: "good"}); next.Unanswered != 0 || len(next.Warnings) != 0 {
		t.Errorf("after the answer %d messages are unanswered, with warnings %v", next.Unanswered, next.Warnings)
	}
}

// Another client is asked by the reset of a session, which it understands without one: at most once a day.
func TestLongChainResetsOthers(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	alice.env.Original, bob.env.Original = true, true
	bob.get(alice.asks(bob, "hi bob"))
	alice.get(bob.accepts(alice))
	w.chat(alice, bob)
	w.pass(time.Second)
	if contact, err := alice.Contact(t.Context(), bob.ID()); err != nil || contact.Status != nil {
		t.Fatalf("bob has sent a status (%v)", err)
	}
	alice.wastes(bob, longChain)
	alice.seals(Draft{To: bob.ID(), Text: "are you there?"})
	asking := alice.answers()
	if len(asking) != 1 {
		t.Fatalf("%d requests wait", len(asking))
	}
	alice.wastes(bob, askAnswerEvery-1)
	alice.seals(Draft{To: bob.ID(), Text: "hello?"})
	if n := len(alice.answers()); n != 0 {
		t.Errorf("%d requests wait on the same day", n)
	}
	event := bob.get(asking[0])
	if event.Kind != inbox.EventReset {
		t.Errorf("bob has %+v", event)
	}
	w.chat(alice, bob)
	w.talk(alice, bob)
	if next := alice.seals(Draft{To: bob.ID(), Text: "good"}); next.Unanswered > 2 {
		t.Errorf("%d messages are unanswered", next.Unanswered)
	}
}
