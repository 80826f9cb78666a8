package ratchet

import (
	"errors"
	"testing"

	"sessiontool/lib/ciphertext"
)

// skip lets a party make messages that nobody gets.
func (p *party) skip(messages int) {
	for range messages {
		p.record.Current().sending.step()
	}
}

// A channel in which 100 000 messages were lost goes on: on the current chain, on a new one, and with the first message
// of a session. What is kept stays bounded, and the newest of the lost messages still open.
func TestFarAhead(t *testing.T) {
	const gap = 100_000
	for name, prepare := range map[string]func(t *testing.T) (alice, bob *party){
		"current chain": func(t *testing.T) (alice, bob *party) {
			alice, bob = newConversation(t, 1)
			exchange(t, alice, bob, "before the gap")
			return alice, bob
		},
		"new chain":   func(t *testing.T) (alice, bob *party) { return newConversation(t, 2) },
		"new session": func(t *testing.T) (alice, bob *party) { return newSession(t, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			alice, bob := prepare(t)
			alice.skip(gap - MaxSkippedKeys - 1)
			dropped := alice.send(t, "too old")
			late := alice.send(t, "late")
			alice.skip(MaxSkippedKeys - 1)
			m := alice.send(t, "after the gap")
			bob.mustRefuse(t, m, ErrTooFarAhead)

			steps, err := bob.record.Steps(m.kind, m.bytes)
			if want := gap + 1; err != nil || steps != want {
				t.Errorf("%d steps (%v), want %d", steps, err, want)
			}
			bob.Effort = NewEffort(steps)
			bob.mustReceive(t, m)
			if left := bob.Effort.left; left != 0 {
				t.Errorf("%d steps are left", left)
			}
			bob.restart(t)
			if got := bob.record.Missing(); got != MaxSkippedKeys {
				t.Errorf("%d skipped keys are kept, want %d", got, MaxSkippedKeys)
			}
			bob.mustRefuse(t, dropped, ErrDropped)
			bob.mustReceive(t, late)
			bob.mustRefuse(t, late, ErrDuplicate)
			bob.mustRefuse(t, m, ErrDuplicate)
			exchange(t, alice, bob, "and on")
			exchange(t, bob, alice, "and back")
			exchange(t, alice, bob, "and on")
		})
	}
}

// Messages far ahead that do not prove authentic cost what the effort affords, together, and change nothing.
func TestEffortIsBounded(t *testing.T) {
	alice, bob := newConversation(t, 1)
	exchange(t, alice, bob, "before the gap")
	alice.skip(MaxAhead - 1)
	good := alice.send(t, "as far as any message")
	forged := sealed{good.kind, append([]byte(nil), good.bytes...), "forged"}
	forged.bytes[len(forged.bytes)-1] ^= 1

	bob.Effort = NewEffort(2*MaxAhead - 1)
	bob.mustRefuse(t, forged, ErrMAC)
	bob.mustRefuse(t, forged, ErrTooFarAhead)
	bob.mustRefuse(t, good, ErrTooFarAhead)
	bob.Effort = NewEffort(MaxAhead)
	bob.mustReceive(t, good)

	alice.skip(MaxAhead)
	bob.Effort = NewEffort(10 * MaxAhead)
	bob.mustRefuse(t, alice.send(t, "farther than any message"), ErrTooFarAhead)
}

// The session that knows a message's chain is tried first, so the effort suffices although other sessions come before.
func TestEffortGoesToTheKnownChain(t *testing.T) {
	alice, bob := newConversation(t, 1)
	exchange(t, alice, bob, "before the gap")
	alice.skip(50_000)
	m := alice.send(t, "far ahead in an old session")
	alice.start(t, bob.bundle(t, 1, 2))
	exchange(t, alice, bob, "in a new session")
	alice.start(t, bob.bundle(t, 1, 3))
	exchange(t, alice, bob, "in a third one")
	if steps, err := bob.record.Steps(m.kind, m.bytes); err != nil || steps != 50_001 {
		t.Errorf("%d steps (%v)", steps, err)
	}
	bob.Effort = NewEffort(50_001)
	bob.mustReceive(t, m)
}

func TestStepsOfMalformedMessages(t *testing.T) {
	_, bob := newConversation(t, 1)
	for _, kind := range []ciphertext.Kind{ciphertext.Whisper, ciphertext.PreKeyWhisper} {
		if _, err := bob.record.Steps(kind, []byte{0x33}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%v: %v", kind, err)
		}
	}
}

// A witness tells a copy of a message from another message with the same key, which a copy of the sender's session
// makes, and from a forged one.
func TestWitness(t *testing.T) {
	alice, bob := newConversation(t, 1)
	copied := new(SessionRecord)
	if err := copied.UnmarshalBinary(stored(t, &alice.record)); err != nil {
		t.Fatal(err)
	}
	m := alice.send(t, "from the one host")
	opened, err := bob.record.Decrypt(bob.random, bob.Receiver, m.kind, m.bytes)
	if err != nil {
		t.Fatal(err)
	}
	witness, err := ParseWitness(opened.Witness.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := copied.Encrypt([]byte("from the other"))
	if err != nil {
		t.Fatal(err)
	}
	forged := append([]byte(nil), other...)
	forged[len(forged)-1] ^= 1
	for what, test := range map[string]struct {
		message []byte
		want    error
	}{
		"copy": {m.bytes, ErrDuplicate}, "other": {other, ErrKeyReused}, "forged": {forged, ErrMAC},
		"malformed": {other[:5], ErrMalformed},
	} {
		if err := witness.Judge(alice.Local.Public, bob.Local.Public, test.message); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", what, err, test.want)
		}
	}
	bob.mustRefuse(t, sealed{m.kind, other, "other"}, ErrDuplicate)
	if _, err := ParseWitness(nil); !errors.Is(err, ErrState) {
		t.Errorf("no witness: %v", err)
	}
}

// Both sides count alike: the sender's unanswered messages, and the receiver's position in the same chain.
func TestSendingAndReceiving(t *testing.T) {
	alice, bob := newConversation(t, 1)
	if _, _, found := mustInitiate(t).Receiving(); found {
		t.Error("a new session has a receiving chain")
	}
	for range 3 {
		exchange(t, alice, bob, "unanswered")
	}
	sending := alice.record.Current().Sending()
	receivingKey, received, found := bob.record.Current().Receiving()
	if !found || sending.RatchetKey != receivingKey || sending.Next != 3 || received != 3 {
		t.Errorf("%d sent, %d received", sending.Next, received)
	}
	exchange(t, bob, alice, "answer")
	if sending := alice.record.Sending(); len(sending) != 1 || sending[0].Next != 0 {
		t.Errorf("after an answer there are %+v", sending)
	}
}
