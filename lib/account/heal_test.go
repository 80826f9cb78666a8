package account

import (
	"testing"
	"time"
)

// A friend who lost everything but the words is a friend again after a new request.
func TestFriendWhoLostEverything(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	w.pass(time.Hour)
	reborn := bob.losesAll()
	if event := reborn.get(alice.says(reborn, "hello?")); event.Kind != EventFailure {
		t.Errorf("the new machine opens a message of the old session: %+v", event)
	}
	event := alice.get(reborn.asks(alice, "it is me again"))
	if event.Kind != EventFriendRequest || event.State != StateFriends {
		t.Errorf("alice received %+v", event)
	}
	w.chat(alice, reborn)
	reborn.wantState(alice, StateFriends)
	w.talk(alice, reborn)
}

// Even if the answer is lost and a message of the old days comes late, a further request helps.
func TestFriendWhoLostEverythingAsksTwice(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	late := bob.says(alice, "from the old machine")
	w.pass(time.Hour)
	reborn := bob.losesAll()
	alice.get(reborn.asks(alice, "it is me again"))
	alice.answers() // lost
	wantText(t, alice.get(late), "from the old machine")
	w.pass(time.Hour)
	alice.get(reborn.asks(alice, "hello?"))
	w.chat(alice, reborn)
	w.talk(alice, reborn)
}

// Whoever asks again before the answer has come is answered in the session that there is, so that all arrives.
func TestRequestCrossesAcceptance(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	bob.get(alice.asks(bob, "hi"))
	underway := []string{bob.accepts(alice), bob.says(alice, "welcome")}
	w.pass(RequestPatience)
	bob.get(alice.asks(bob, "hello?"))
	underway = append(underway, bob.answers()...)
	underway = append(underway, bob.says(alice, "I am here"))
	for _, opened := range alice.gets(underway...) {
		if opened.Event.Kind == EventFailure {
			t.Errorf("alice received %+v", opened.Event)
		}
	}
	w.chat(alice, bob)
	w.talk(alice, bob)
}

// A reset that is sent twice makes one new session: its one-time prekey serves once.
func TestResetTwice(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	resets := []string{bob.resets(alice), bob.resets(alice)}
	var underway []string
	for _, reset := range resets {
		if event := alice.get(reset); event.Kind != EventControl || event.Text != "end_session" {
			t.Errorf("a reset shows as %+v", event)
		}
		underway = append(underway, alice.answers()...)
		underway = append(underway, alice.says(bob, "still here"))
	}
	if len(underway) != 4 {
		t.Errorf("alice sends %d messages, want an answer and a text for each reset", len(underway))
	}
	for _, opened := range bob.gets(underway...) {
		if opened.Event.Kind == EventFailure {
			t.Errorf("bob received %+v", opened.Event)
		}
	}
	w.talk(alice, bob)
}
