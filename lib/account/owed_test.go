package account

import (
	"testing"
	"time"

	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/message"
	"sessiontool/lib/x25519"
)

// wantAnswers checks how many messages p sends by itself.
func (p *person) wantAnswers(when string, want int) {
	p.w.t.Helper()
	if sent := p.answers(); len(sent) != want {
		p.w.t.Errorf("%s %s sends %d messages, want %d", when, p.name, len(sent), want)
	}
}

// A friend that sends dozens of bundles, each of which asks for a new session, gets three answers at once and then one
// a minute, and with the last of them a session.
func TestBundleFloodIsAnsweredOnceAMinute(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	w.pass(time.Hour)
	flood := func() {
		for range 30 {
			w.pass(time.Millisecond)
			bundle := bob.bundle(alice)
			key, err := x25519.GenerateKey(w.random)
			if err != nil {
				t.Fatal(err)
			}
			bundle.OneTimePrekey = &key.Public
			alice.gets(bob.requestWith(alice, bundle), bob.puts(alice, message.Reset(bundle)))
		}
		w.pass(time.Millisecond)
		alice.get(bob.requestWith(alice, bob.bundle(alice)))
	}
	flood()
	alice.wantAnswers("during the flood", contacts.RenewAtOnce)
	w.pass(contacts.RenewEvery - time.Second)
	alice.wantAnswers("within a minute", 0)
	w.pass(time.Second)
	answers := alice.answers()
	if len(answers) != 1 {
		t.Fatalf("after a minute alice sends %d messages, want 1", len(answers))
	}
	if event := bob.get(answers[0]); event.Kind == inbox.EventFailure {
		t.Errorf("the answer to the last bundle is %+v", event)
	}
	w.talk(alice, bob)
	w.pass(time.Hour)
	alice.wantAnswers("in the end", 0)

	flood()
	alice.wantAnswers("during the second flood", contacts.RenewAtOnce)
	if err := alice.RemoveContact(t.Context(), bob.ID()); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Hour)
	alice.wantAnswers("after the friend was removed", 0)
}

// A friend that names another listening node with each message is answered at once and then once every remindAfter.
func TestMovingFriendIsAnsweredSeldom(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.listensAt(nodeA)
	w.pass(time.Hour)
	sent := 0
	for i := range 60 {
		w.pass(time.Second)
		bob.listensAt([]string{nodeA, nodeB}[i%2])
		alice.getVia(message.RouteSync, bob.sendsStatus(alice).Data)
		for _, answer := range alice.answers() {
			sent++
			bob.getVia(message.RouteSync, answer)
		}
	}
	if sent != 2 {
		t.Errorf("alice has sent %d statuses in a minute, want 2", sent)
	}
	w.pass(contacts.RemindAfter)
	alice.wantAnswers("after the last move", 1)
	alice.wantAnswers("after that", 0)
}

// A friend whose every message starts a session from a prekey that was used before gets one reset an hour.
func TestResetsAreSentSeldom(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	used := alice.bundle(bob)
	used.OneTimePrekeyID += 1000
	for hour := range 2 {
		for range 10 {
			w.pass(time.Minute)
			if event := alice.get(bob.startsWith(alice, used, message.Background())); event.Kind != inbox.EventFailure {
				t.Fatalf("a used prekey opens %+v", event)
			}
		}
		alice.wantAnswers([]string{"at first", "an hour later"}[hour], 1)
		w.pass(resetEvery)
	}
}
