package ratchet

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

// An initiator sends the prekey header until the first message of the peer arrives. A responder never sends it.
func TestPreKeyPhase(t *testing.T) {
	alice, bob := newSession(t, 1)
	first, second := alice.send(t, "first"), alice.send(t, "second")
	if first.kind != ciphertext.PreKeyWhisper || second.kind != ciphertext.PreKeyWhisper {
		t.Fatalf("before the answer alice sends a %v and a %v", first.kind, second.kind)
	}
	bob.mustReceive(t, second)
	bob.mustReceive(t, first)
	if len(bob.record.sessions) != 1 {
		t.Errorf("two messages of one session made %d sessions", len(bob.record.sessions))
	}
	answer := bob.send(t, "answer")
	if answer.kind != ciphertext.Whisper {
		t.Errorf("bob answers with a %v", answer.kind)
	}
	alice.mustReceive(t, answer)
	if third := alice.send(t, "third"); third.kind != ciphertext.Whisper {
		t.Errorf("after the answer alice sends a %v", third.kind)
	}
}

func TestWithoutOneTimePrekey(t *testing.T) {
	alice, bob := newPair(t, 1)
	bundle := bob.bundle(t, 1, 1)
	bundle.OneTimePrekey = nil
	alice.start(t, bundle)
	m := alice.send(t, "hello")
	opened, err := bob.record.Decrypt(bob.random, bob.Receiver, m.kind, m.bytes)
	if err != nil || string(opened.Plaintext) != "hello" || opened.UsedPrekey != nil {
		t.Errorf("got %q, one-time prekey %v, %v", opened.Plaintext, opened.UsedPrekey, err)
	}
}

func TestPlaintextSizes(t *testing.T) {
	alice, bob := newConversation(t, 1)
	for n := range 50 {
		exchange(t, alice, bob, strings.Repeat("x", n))
	}
	exchange(t, bob, alice, strings.Repeat("y", MaxPlaintextSize))
}

func TestBundleWithWrongSignature(t *testing.T) {
	alice, bob := newPair(t, 1)
	bundle := bob.bundle(t, 1, 1)
	bundle.Signature[0] ^= 1
	if _, err := NewInitiator(alice.random, alice.Local, bundle); !errors.Is(err, x3dh.ErrSignature) {
		t.Errorf("wrong signature: %v", err)
	}
}

// A message with any wrong bit does not decrypt and changes nothing. The correct message still decrypts.
func TestTamperedMessage(t *testing.T) {
	alice, bob := newConversation(t, 1)
	m := alice.send(t, "untouched")
	for i := range m.bytes {
		for bit := range 8 {
			tampered := m
			tampered.bytes = bytes.Clone(m.bytes)
			tampered.bytes[i] ^= 1 << bit
			before := stored(t, &bob.record)
			if plaintext, err := bob.receive(tampered); err == nil {
				t.Fatalf("byte %d, bit %d: opened %q", i, bit, plaintext)
			}
			if !bytes.Equal(before, stored(t, &bob.record)) {
				t.Fatalf("byte %d, bit %d: refused, but the record changed", i, bit)
			}
		}
	}
	bob.mustReceive(t, m)
}

// The header of a PreKeyWhisperMessage has no MAC. A wrong bit in it either gives an error or has no effect.
func TestTamperedPreKeyMessage(t *testing.T) {
	alice, bob := newSession(t, 1)
	m := alice.send(t, "untouched")
	open := func(message []byte) (Decrypted, []byte, error) {
		var record SessionRecord
		opened, err := record.Decrypt(seeded(9), bob.Receiver, ciphertext.PreKeyWhisper, message)
		return opened, stored(t, &record), err
	}
	_, want, err := open(m.bytes)
	if err != nil {
		t.Fatal(err)
	}
	harmless := 0
	for i := range m.bytes {
		for bit := range 8 {
			tampered := bytes.Clone(m.bytes)
			tampered[i] ^= 1 << bit
			opened, got, err := open(tampered)
			switch {
			case err != nil && len(got) > 0:
				t.Errorf("byte %d, bit %d: refused, but a session was made", i, bit)
			case err == nil && (string(opened.Plaintext) != m.plaintext || !bytes.Equal(got, want)):
				t.Errorf("byte %d, bit %d: accepted with another result", i, bit)
			case err == nil:
				harmless++
			}
		}
	}
	// The registration id (two bytes), and versions that count as compatible.
	if harmless > 2*8+4 {
		t.Errorf("%d wrong bits went unnoticed", harmless)
	}
}

// After an error of the random source the message can be decrypted later.
func TestRandomnessFails(t *testing.T) {
	alice, bob := newConversation(t, 1)
	m := alice.send(t, "first under a new key")
	random := bob.random
	bob.random = bytes.NewReader(make([]byte, x25519.Size-1))
	before := stored(t, &bob.record)
	if _, err := bob.receive(m); err == nil || errors.Is(err, ErrMAC) {
		t.Errorf("short randomness: %v", err)
	}
	if !bytes.Equal(before, stored(t, &bob.record)) {
		t.Error("the record changed")
	}
	bob.random = random
	bob.mustReceive(t, m)
}

// A ratchet key of low order would make the next keys predictable.
func TestLowOrderRatchetKey(t *testing.T) {
	alice, bob := newConversation(t, 1)
	m := alice.send(t, "message")
	parsed, err := ParseWhisperMessage(m.bytes)
	if err != nil {
		t.Fatal(err)
	}
	parsed.RatchetKey = x25519.PublicKey{}
	m.bytes = parsed.Marshal()
	bob.mustRefuse(t, m, ErrMalformed)
}

func TestSecretsDoNotPrint(t *testing.T) {
	alice, _ := newConversation(t, 1)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		for _, value := range []any{alice.record.Current(), &alice.record} {
			if text := fmt.Sprintf(format, value); !strings.Contains(text, "redacted") || len(text) > 40 {
				t.Errorf("%s prints %s", format, text)
			}
		}
	}
}

// underway is a message in the lossy network, with the step at which it was sent.
type underway struct {
	sealed
	from, step int
	opened     bool
}

// Two parties talk over a network that loses, reorders and repeats messages. Every message opens exactly once, unless
// it is older than the chains that a session remembers.
func TestLossyNetwork(t *testing.T) {
	for seed := range byte(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { lossyNetwork(t, seed) })
	}
}

func lossyNetwork(t *testing.T, seed byte) {
	alice, bob := newSession(t, seed)
	parties := [2]*party{alice, bob}
	steps := [2]int{}
	dice := rand.New(seeded(100 + seed))
	var network []*underway

	for turn := range 1500 {
		if dice.IntN(20) == 0 {
			parties[dice.IntN(2)].restart(t)
		}
		sender := dice.IntN(2)
		if parties[sender].record.Current() != nil && len(network) < 12 && dice.IntN(2) == 0 {
			m := parties[sender].send(t, fmt.Sprintf("message %d", turn))
			network = append(network, &underway{sealed: m, from: sender, step: steps[sender]})
			continue
		}
		if len(network) == 0 {
			continue
		}
		i := dice.IntN(len(network))
		m, to := network[i], 1-network[i].from
		switch {
		case steps[m.from]-m.step > MaxClosedChains || dice.IntN(10) == 0:
			network = append(network[:i], network[i+1:]...) // lost
		case m.opened:
			parties[to].mustRefuse(t, m.sealed, ErrDuplicate)
			network = append(network[:i], network[i+1:]...)
		default:
			before := parties[to].record.Current()
			var key x25519.PublicKey
			if before != nil {
				key = before.ratchet.Public
			}
			parties[to].mustReceive(t, m.sealed)
			m.opened = true
			if parties[to].record.Current().ratchet.Public != key {
				steps[to]++
			}
		}
	}
	if steps[0] < 2*MaxClosedChains {
		t.Errorf("only %d ratchet steps were made", steps[0])
	}
}
