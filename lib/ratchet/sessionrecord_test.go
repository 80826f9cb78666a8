package ratchet

import (
	"errors"
	"fmt"
	"testing"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/x25519"
)

func TestEmptyRecord(t *testing.T) {
	alice, bob := newConversation(t, 1)
	m := alice.send(t, "message")
	bob.record = SessionRecord{}
	if bob.record.Current() != nil {
		t.Error("an empty record has a session")
	}
	if _, _, err := bob.record.Encrypt(nil); !errors.Is(err, ErrNoSession) {
		t.Errorf("encrypting: %v", err)
	}
	bob.mustRefuse(t, m, ErrNoSession)
	bob.mustRefuse(t, sealed{kind: 2, bytes: m.bytes}, ErrMalformed)
}

// Both parties start a session before they receive one. Messages of both sessions decrypt. After one party has
// answered, both use the same session.
func TestSimultaneousInitiation(t *testing.T) {
	alice, bob := newPair(t, 1)
	fromAlice, fromBob := alice.bundle(t, 1, 1), bob.bundle(t, 1, 1)
	alice.start(t, fromBob)
	bob.start(t, fromAlice)
	a1, b1 := alice.send(t, "alice starts"), bob.send(t, "bob starts")
	a2, b2 := alice.send(t, "alice goes on"), bob.send(t, "bob goes on")
	alice.mustReceive(t, b1)
	bob.mustReceive(t, a1)
	alice.mustReceive(t, b2)
	bob.mustReceive(t, a2)

	exchange(t, alice, bob, "alice answers")
	exchange(t, bob, alice, "bob answers")
	if a, b := alice.record.Current().base, bob.record.Current().base; a != b {
		t.Error("the parties still use different sessions")
	}
	for n := range 3 {
		for _, m := range []sealed{alice.send(t, fmt.Sprint("alice ", n)), bob.send(t, fmt.Sprint("bob ", n))} {
			if m.kind != ciphertext.Whisper {
				t.Errorf("%s is a %v", m.plaintext, m.kind)
			}
		}
		exchange(t, alice, bob, "alice")
		exchange(t, bob, alice, "bob")
	}
	if len(alice.record.sessions) != 2 || len(bob.record.sessions) != 2 {
		t.Errorf("alice has %d sessions, bob %d", len(alice.record.sessions), len(bob.record.sessions))
	}
}

// A new session archives the old one. A message in flight still decrypts with the old session and makes it current
// again.
func TestArchivedSessionComesBack(t *testing.T) {
	alice, bob := newConversation(t, 1)
	late := alice.send(t, "late")
	old := bob.record.Current()
	alice.start(t, bob.bundle(t, 1, 2))
	exchange(t, alice, bob, "in a new session")
	if bob.record.Current() == old || len(bob.record.sessions) != 2 {
		t.Fatal("the new session is not current")
	}
	bob.mustReceive(t, late)
	if bob.record.Current() != old {
		t.Error("the old session did not become current")
	}
	bob.mustRefuse(t, late, ErrDuplicate)
}

// The number of archived sessions is bounded. A message of a dropped session fails like a forged one.
func TestArchiveIsBounded(t *testing.T) {
	alice, bob := newConversation(t, 1)
	forgotten := alice.send(t, "of the first session")
	var oldest sealed
	for n := range MaxArchived + 1 {
		alice.start(t, bob.bundle(t, 1, uint32(2+n)))
		m := alice.send(t, fmt.Sprint("session ", n))
		if n == 0 {
			oldest = alice.send(t, "of the second session")
		}
		bob.mustReceive(t, m)
	}
	for _, p := range []*party{alice, bob} {
		if n := len(p.record.sessions); n != 1+MaxArchived {
			t.Fatalf("a record holds %d sessions", n)
		}
		p.restart(t)
	}
	bob.mustRefuse(t, forgotten, ErrMAC)
	bob.mustReceive(t, oldest)
}

// A message with the ID of an unknown prekey cannot start a session.
func TestUnknownPrekeys(t *testing.T) {
	t.Run("used one-time prekey", func(t *testing.T) {
		alice, bob := newSession(t, 1)
		m := alice.send(t, "first")
		bob.mustReceive(t, m)
		bob.record = SessionRecord{} // as if the session had been forgotten
		bob.mustRefuse(t, m, ErrUnknownPrekey)
	})
	t.Run("removed signed prekey", func(t *testing.T) {
		alice, bob := newSession(t, 1)
		clear(bob.signed)
		bob.mustRefuse(t, alice.send(t, "first"), ErrUnknownPrekey)
	})
}

// Decrypt returns the errors of the caller's prekey store, so that a disk error does not look like an invalid message.
func TestPrekeyStoreFails(t *testing.T) {
	alice, bob := newSession(t, 1)
	broken := errors.New("disk is on fire")
	bob.Prekeys = brokenPrekeys{broken}
	bob.mustRefuse(t, alice.send(t, "first"), broken)
}

type brokenPrekeys struct{ err error }

func (b brokenPrekeys) SignedPrekey(uint32) (x25519.KeyPair, error)  { return x25519.KeyPair{}, b.err }
func (b brokenPrekeys) OneTimePrekey(uint32) (x25519.KeyPair, error) { return x25519.KeyPair{}, b.err }

// The identity key in a prekey header must be the contact's. A stranger cannot add a session to the contact's record.
func TestForeignIdentity(t *testing.T) {
	alice, bob := newSession(t, 1)
	bob.Remote = generate(t, bob.random).Public
	bob.mustRefuse(t, alice.send(t, "first"), ErrIdentity)
}

// A repeated prekey header selects the session that it started, even if that session is archived.
func TestArchivedSessionComesBackByPreKeyMessage(t *testing.T) {
	alice, bob := newSession(t, 1)
	late := alice.send(t, "late")
	exchange(t, alice, bob, "first session")
	old := bob.record.Current()
	alice.start(t, bob.bundle(t, 1, 2))
	exchange(t, alice, bob, "second session")
	bob.mustReceive(t, late)
	if bob.record.Current() != old || len(bob.record.sessions) != 2 {
		t.Error("the old session did not become current")
	}
}

// The most specific error of all sessions is returned. It does not depend on their order.
func TestMostTellingError(t *testing.T) {
	alice, bob := newConversation(t, 1)
	duplicate := alice.send(t, "duplicate")
	bob.mustReceive(t, duplicate)
	foreign := beyondEnd(t, alice, bob)
	bob.mustRefuse(t, duplicate, ErrDuplicate)
	bob.mustRefuse(t, foreign, ErrTooFarAhead)

	alice.start(t, bob.bundle(t, 1, 2))
	exchange(t, alice, bob, "in a new session")
	bob.mustRefuse(t, duplicate, ErrDuplicate)
	bob.mustRefuse(t, foreign, ErrTooFarAhead)

	exchange(t, bob, alice, "the new session goes on")
	bob.mustRefuse(t, beyondEnd(t, alice, bob), ErrTooFarAhead)
	exchange(t, bob, alice, "still well")
}

// beyondEnd makes a message of alice beyond the end of a chain that bob has closed.
func beyondEnd(t *testing.T, alice, bob *party) sealed {
	t.Helper()
	exchange(t, alice, bob, "on the chain")
	var before SessionRecord
	if err := before.UnmarshalBinary(stored(t, &alice.record)); err != nil {
		t.Fatal(err)
	}
	exchange(t, bob, alice, "makes alice step")
	exchange(t, alice, bob, "ends the chain")
	kind, message, err := before.Encrypt([]byte("beyond the end"))
	if err != nil {
		t.Fatal(err)
	}
	return sealed{kind, message, "beyond the end"}
}

// A counter that would be too far ahead in a new chain of the current session is in reach for the session that knows
// the chain.
func TestLongChainOfArchivedSession(t *testing.T) {
	alice, bob := newConversation(t, 1)
	for n := range 2 * MaxSkip {
		if m := alice.send(t, "long chain"); n%(MaxSkip/2) == 0 {
			bob.mustReceive(t, m)
		}
	}
	late := alice.send(t, "late")
	alice.start(t, bob.bundle(t, 1, 2))
	exchange(t, alice, bob, "in a new session")
	bob.mustReceive(t, late)
}

// A peer that sends back the local base key does not select the session that the local party started.
func TestReflectedBaseKey(t *testing.T) {
	alice, _ := newSession(t, 1)
	if i := alice.record.responderOf(alice.record.Current().base); i >= 0 {
		t.Error("our own session was taken for one that we answered")
	}
}
