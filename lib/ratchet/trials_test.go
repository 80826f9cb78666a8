package ratchet

import (
	"errors"
	"fmt"
	"testing"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/x25519"
)

// manySessions returns a pair with as many sessions as a record keeps, and messages in flight of the newest and the
// oldest one.
func manySessions(t testing.TB) (alice, bob *party, newest, oldest sealed) {
	t.Helper()
	alice, bob = newPair(t, 1)
	for i := range uint32(1 + MaxArchived) {
		alice.start(t, bob.bundle(t, 1, i))
		exchange(t, alice, bob, fmt.Sprint("session ", i))
		exchange(t, bob, alice, "answer")
		if i == 0 {
			oldest = alice.send(t, "late")
		}
	}
	return alice, bob, alice.send(t, "next"), oldest
}

// forged makes a WhisperMessage with any ratchet key and counter that no session opens.
func forged(ratchetKey x25519.PublicKey, counter uint32) sealed {
	m := WhisperMessage{Version: Version, RatchetKey: ratchetKey, Counter: counter, Ciphertext: make([]byte, 16)}
	return sealed{ciphertext.Whisper, append(m.body(), make([]byte, MACSize)...), "forged"}
}

// The work on forged messages, in X25519 agreements and steps of chains, has a small part for each message and one for
// all of them. Then each still has the small part, with which a message of the current session opens.
func TestTrialsAreBounded(t *testing.T) {
	const messages, budget = 20, 10_000
	for _, test := range []struct {
		counter uint32
		known   bool // the attacker has seen a ratchet key of the session
		all     int  // the agreements of one message otherwise
	}{
		{counter: 0, all: 1 + MaxArchived},
		{counter: freeSteps, all: 1 + MaxArchived},
		{counter: MaxSkip - 1, all: 1 + MaxArchived},
		{counter: MaxSkip - 1, known: true, all: MaxArchived},
	} {
		t.Run(fmt.Sprintf("counter %d known %t", test.counter, test.known), func(t *testing.T) {
			_, bob, newest, oldest := manySessions(t)
			key := generate(t, seeded(9)).Public
			if test.known {
				key, _, _ = bob.record.Current().Receiving()
			}
			bob.Trials = NewTrials(1 << 30)
			bob.mustRefuse(t, forged(key, test.counter), ErrMAC)
			if agreements, _ := bob.Trials.Spent(); agreements != test.all {
				t.Errorf("with all trials a message costs %d agreements, want %d", agreements, test.all)
			}

			bob.Trials = NewTrials(budget)
			for range messages {
				if _, err := bob.receive(forged(key, test.counter)); err == nil {
					t.Fatal("a forged message opens")
				}
			}
			agreements, steps := bob.Trials.Spent()
			t.Logf("%d agreements, %d steps", agreements, steps)
			if most := messages*freeSessions + budget/agreementSteps; agreements > most {
				t.Errorf("%d agreements, at most %d", agreements, most)
			}
			if most := messages*freeSessions*freeSteps + budget; steps > most {
				t.Errorf("%d steps, at most %d", steps, most)
			}
			if agreements*agreementSteps+steps > messages*freeSessions*(freeSteps+agreementSteps)+budget {
				t.Errorf("%d agreements and %d steps", agreements, steps)
			}

			bob.Trials = NewTrials(0)
			bob.mustRefuse(t, oldest, ErrTooCostly)
			bob.mustReceive(t, newest)
			bob.Trials = NewTrials((1 + MaxArchived) * agreementSteps)
			bob.mustReceive(t, oldest)
		})
	}
}

// A message that would start a session costs the agreements of X3DH, if it names prekeys that there are.
func TestTrialsOfPreKeyMessages(t *testing.T) {
	alice, bob := newSession(t, 1)
	m := alice.send(t, "hello")
	bob.Trials = NewTrials(0)
	unknown := *bob
	unknown.oneTime = nil
	unknown.Prekeys = &unknown
	unknown.mustRefuse(t, m, ErrUnknownPrekey)
	if agreements, _ := bob.Trials.Spent(); agreements != 0 {
		t.Errorf("an unknown prekey costs %d agreements", agreements)
	}
	bob.mustReceive(t, m)
	if agreements, _ := bob.Trials.Spent(); agreements != responderAgreements {
		t.Errorf("a new session costs %d agreements", agreements)
	}
	alice.skip(freeSteps + 1)
	again := alice.send(t, "further on")
	bob.mustRefuse(t, again, ErrTooCostly)
	bob.Trials = nil
	bob.mustReceive(t, again)
	if _, err := bob.receive(m); !errors.Is(err, ErrDuplicate) {
		t.Errorf("a copy gives %v", err)
	}
}

// A message that no session of a full record opens.
func BenchmarkForged(b *testing.B) {
	_, bob, _, _ := manySessions(b)
	m := forged(generate(b, seeded(9)).Public, MaxSkip-1)
	for name, trials := range map[string]func() *Trials{
		"unbounded": func() *Trials { return nil }, "bounded": func() *Trials { return NewTrials(0) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				bob.Trials = trials()
				if _, err := bob.receive(m); err == nil {
					b.Fatal("a forged message opens")
				}
			}
		})
	}
}
