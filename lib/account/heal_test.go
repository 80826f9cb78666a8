package account

import (
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/message"
)

// A friend who lost everything but the words is a friend again after a new request.
func TestFriendWhoLostEverything(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	w.pass(time.Hour)
	reborn := bob.losesAll()
	if event := reborn.get(alice.says(reborn, "hello?")); event.Kind != inbox.EventFailure {
		t.Errorf("the new machine opens a message of the old session: %+v", event)
	}
	event := alice.get(reborn.asks(alice, "it is me again"))
	if event.Kind != inbox.EventFriendRequest || event.State != StateFriends {
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

// A request that is repeated before the answer arrives is answered in the existing session, so that everything arrives.
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
		if opened.Event.Kind == inbox.EventFailure {
			t.Errorf("alice received %+v", opened.Event)
		}
	}
	w.chat(alice, bob)
	w.talk(alice, bob)
}

// A reset that is sent twice makes one new session, since its one-time prekey serves once, and is answered once within
// a minute.
func TestResetTwice(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	resets := []string{bob.resets(alice), bob.resets(alice)}
	var underway []string
	for _, reset := range resets {
		if event := alice.get(reset); event.Kind != inbox.EventReset || event.Text != "" {
			t.Errorf("a reset shows as %+v", event)
		}
		underway = append(underway, alice.answers()...)
		underway = append(underway, alice.says(bob, "still here"))
	}
	if len(underway) != 3 {
		t.Errorf("alice sends %d messages, want one answer and a text for each reset", len(underway))
	}
	w.pass(contacts.RenewEvery)
	underway = append(underway, alice.answers()...)
	if len(underway) != 4 {
		t.Errorf("alice has sent %d messages a minute later, want an answer more", len(underway))
	}
	for _, opened := range bob.gets(underway...) {
		if opened.Event.Kind == inbox.EventFailure {
			t.Errorf("bob received %+v", opened.Event)
		}
	}
	w.talk(alice, bob)
}

// resetsAsDesktop resets the session as Session Desktop's "reset session" does: with a sealed friend request that ends
// it.
func (p *person) resetsAsDesktop(to *person) string {
	p.w.t.Helper()
	var out Outgoing
	err := p.update(p.w.t.Context(), func(tx *keystore.Tx) (err error) {
		out, err = p.sealReset(tx, to.ID())
		return err
	})
	if err != nil {
		p.w.t.Fatal(err)
	}
	return out.Data
}

// A reset of Desktop's is announced as that, without its text, and texts go on in both directions.
func TestDesktopResetsTheSession(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	w.pass(time.Minute)
	late := bob.says(alice, "before the reset")
	event := alice.get(bob.resetsAsDesktop(alice))
	if event.Kind != inbox.EventReset || event.Text != "" || event.From != bob.ID() || !event.Shown() {
		t.Errorf("the reset is %+v", event)
	}
	crossing := alice.says(bob, "after the reset")
	w.chat(alice, bob)
	wantText(t, alice.get(late), "before the reset")
	wantText(t, bob.get(crossing), "after the reset")
	w.talk(alice, bob)
	w.talk(bob, alice)
	alice.wantState(bob, StateFriends)
}

// A stranger's reset is a request, since there is nothing to reset. Its text is not for people.
func TestStrangerResets(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	event := alice.get(bob.resetsAsDesktop(alice))
	if event.Kind != inbox.EventFriendRequest || event.State != StateReceived || event.Text != "" {
		t.Errorf("the reset is %+v", event)
	}
	bob.get(alice.accepts(bob))
	w.chat(alice, bob)
	w.talk(alice, bob)
}

// An account that was restored from its words finds old messages in its box: a request that it had accepted, whose
// prekey is used up, a reset, texts of lost sessions. Whatever its owner does then, the two are friends again.
func TestRestoredAccountWithOldMessages(t *testing.T) {
	for name, does := range map[string]func(reborn, alice *person) []string{
		"asks anew": func(reborn, alice *person) []string {
			out, err := reborn.RequestFriend(reborn.w.t.Context(), Draft{To: alice.ID(), Text: "it is me"}, false)
			return []string{reborn.sends(out, err)}
		},
		"accepts": func(reborn, alice *person) []string { return []string{reborn.accepts(alice)} },
		"accepts twice": func(reborn, alice *person) []string {
			return []string{reborn.accepts(alice), reborn.accepts(alice)}
		},
		"accepts and asks": func(reborn, alice *person) []string {
			return []string{reborn.accepts(alice), reborn.asks(alice, "it is me")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			alice, bob := w.person("alice"), w.person("bob")
			request := alice.asks(bob, "hi bob")
			bob.get(request)
			alice.get(bob.accepts(alice))
			box := append([]string{request}, alice.answers()...)
			bob.gets(box[1:]...)
			w.chat(alice, bob)
			box = append(box, alice.says(bob, "of the old days"))
			w.pass(time.Hour)
			box = append(box, alice.resetsAsDesktop(bob))
			w.pass(time.Hour)
			reborn := bob.losesAll()
			reborn.gets(box...)
			reborn.wantState(alice, StateReceived)
			w.pass(time.Minute)
			for _, opened := range alice.gets(does(reborn, alice)...) {
				if opened.Event.Kind == inbox.EventFailure {
					t.Errorf("alice received %+v", opened.Event)
				}
			}
			w.chat(alice, reborn)
			reborn.wantState(alice, StateFriends)
			alice.wantState(reborn, StateFriends)
			w.talk(reborn, alice)
			w.talk(alice, reborn)
		})
	}
}

// The same account asks first and finds the old request afterwards: its own is on its way, and no session starts from
// the old one, in which texts would be lost.
func TestRestoredAccountAsksFirst(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	request := alice.asks(bob, "hi bob")
	bob.get(request)
	alice.get(bob.accepts(alice))
	w.chat(alice, bob)
	w.pass(time.Hour)
	reborn := bob.losesAll()
	asked := reborn.asks(alice, "it is me")
	if event := reborn.get(request); event.Kind != inbox.EventFriendRequest || event.State != StateSent {
		t.Errorf("the old request is %+v", event)
	}
	if sent := reborn.answers(); len(sent) > 0 {
		t.Errorf("it is answered with %d messages", len(sent))
	}
	alice.get(asked)
	w.chat(alice, reborn)
	w.talk(reborn, alice)
	w.talk(alice, reborn)
}

// An unanswered request from before this keystore is accepted in the same way.
func TestRequestOlderThanTheKeystore(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	request := alice.asks(bob, "hi bob")
	w.pass(time.Hour)
	reborn := bob.losesAll()
	reborn.get(request)
	event := alice.get(reborn.accepts(alice))
	if event.Kind != inbox.EventFriendRequest || event.State != StateFriends {
		t.Errorf("the acceptance is %+v", event)
	}
	w.chat(alice, reborn)
	w.talk(alice, reborn)
}

// A keystore that is older than the request that it accepts, as one from a backup is, starts a session from a prekey
// that is used up. The friend cannot open that, and resets the session, once for all such messages.
func TestAcceptanceOfAUsedRequest(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	backup := bob.losesAll() // made before the request came
	w.pass(time.Minute)
	request := alice.asks(bob, "hi bob")
	bob.get(request)
	alice.get(bob.accepts(alice))
	w.chat(alice, bob)
	w.pass(time.Hour)

	backup.get(request)
	for _, data := range []string{backup.accepts(alice), backup.says(alice, "lost"), backup.says(alice, "lost, too")} {
		wantFailure(t, alice.get(data), inbox.CodeUnknownPrekey)
	}
	resets := alice.answers()
	if len(resets) != 1 {
		t.Fatalf("alice answers with %d messages, want one reset", len(resets))
	}
	if event := backup.get(resets[0]); event.Kind != inbox.EventReset {
		t.Errorf("the reset is %+v", event)
	}
	w.chat(alice, backup)
	w.talk(backup, alice)
	w.talk(alice, backup)
}

// Only an authenticated friend has the session reset.
func TestNoResetForStrangers(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	mallory := w.person("mallory")
	bundle := alice.bundle(bob) // meant for bob
	wantFailure(t, alice.get(mallory.startsWith(alice, bundle, message.Background())), inbox.CodeUnknownPrekey)
	w.pass(time.Hour)
	bob.env.Plain = true
	used := bob.startsWith(alice, bundle, message.Background())
	alice.get(used)
	alice.answers()
	again := bob.startsWith(alice, bundle, message.Background())
	wantFailure(t, alice.get(again), inbox.CodeUnknownPrekey)
	if sent := alice.answers(); len(sent) > 0 {
		t.Errorf("alice answers with %d messages", len(sent))
	}
}
