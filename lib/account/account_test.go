package account

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"sessiontool/keystore"
	"sessiontool/lib/message"
)

// Create and Open give the same account, and the words bring its keys back.
func TestCreateAndOpen(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	opened := alice.anew("another")
	if opened.ID() != alice.ID() || opened.Name() != "alice" || opened.DisplayName() != "alice" ||
		opened.Ed25519Public() != alice.Ed25519Public() || opened.Mnemonic() != alice.Mnemonic() ||
		!reflect.DeepEqual(opened.local(), alice.local()) {
		t.Error("the opened account is another one than the one created")
	}
	if words := strings.Fields(alice.Mnemonic()); len(words) != 13 {
		t.Errorf("%d words", len(words))
	}
	if restored := alice.losesAll(); restored.ID() != alice.ID() || restored.Sign(nil) != alice.Sign(nil) {
		t.Error("the same seed gives another account")
	}
	if id := alice.id.RegistrationID; id >= 1<<14 {
		t.Errorf("registration id %d has more than 14 bits", id)
	}
}

func TestCreateRefuses(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	for _, test := range []struct {
		name, displayName string
		want              error
	}{
		{"alice", "Alice", keystore.ErrAccountExists},
		{"", "Alice", keystore.ErrAccountName},
		{"bob", strings.Repeat("b", message.MaxDisplayNameBytes+1), message.ErrTooLong},
		{"bob", "\xff", message.ErrNotUTF8},
	} {
		_, err := Create(t.Context(), alice.store, alice.env, test.name, test.displayName, alice.seed)
		if !errors.Is(err, test.want) {
			t.Errorf("account %q of %q: %v, want %v", test.name, test.displayName, err, test.want)
		}
	}
	if _, err := Open(t.Context(), alice.store, alice.env, "bob"); !errors.Is(err, keystore.ErrAccountNotFound) {
		t.Errorf("opening an account that was refused: %v", err)
	}
	broken := alice.env
	broken.Random = iotest.ErrReader(errors.New("no randomness"))
	if _, err := Create(t.Context(), alice.store, broken, "bob", "Bob", alice.seed); err == nil {
		t.Error("an account is made without randomness")
	}
}

// Without randomness nothing is sent, and what was begun is undone.
func TestNoRandomness(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	before := alice.content()
	alice.env.Random = iotest.ErrReader(errors.New("no randomness"))
	if out, err := alice.Send(t.Context(), Draft{To: bob.ID(), Text: "hi"}); err == nil {
		t.Errorf("sent %+v", out)
	}
	if after := alice.content(); !reflect.DeepEqual(before, after) {
		t.Errorf("the account has changed from %v to %v", before, after)
	}
}

// Contacts are listed in the order in which they came.
func TestContacts(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	var want []string
	for i := range 5 {
		w.now = w.now.Add(1)
		other := w.person(fmt.Sprintf("person-%d", i))
		alice.get(other.asks(alice, "hi"))
		want = append(want, other.name)
	}
	contacts, err := alice.Contacts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, contact := range contacts {
		got = append(got, contact.DisplayName)
		if contact.State != StateReceived || contact.HasSession {
			t.Errorf("contact %+v", contact)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("contacts %q, want %q", got, want)
	}
	requests, err := alice.FriendRequests(t.Context())
	if err != nil || len(requests) != 5 || requests[0].Peer != contacts[0].ID || requests[4].Peer != contacts[4].ID {
		t.Errorf("requests %+v, %v", requests, err)
	}
}

func TestStateNames(t *testing.T) {
	want := []string{"none", "sent", "received", "friends", "expired"}
	for state := StateNone; state <= StateExpired; state++ {
		if state.String() != want[state] {
			t.Errorf("state %d is called %q, want %q", int(state), state, want[state])
		}
	}
}
