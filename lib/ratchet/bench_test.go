package ratchet

import (
	"errors"
	"strings"
	"testing"
)

// One message of 1 kB on the current sending chain.
func BenchmarkEncrypt1KB(b *testing.B) {
	alice, _ := newConversation(b, 1)
	session := alice.record.Current()
	plaintext := make([]byte, 1024)
	b.SetBytes(int64(len(plaintext)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := session.Encrypt(plaintext); err != nil {
			b.Fatal(err)
		}
	}
}

// One message of 1 kB sent and received in order, without a step of the Diffie-Hellman ratchet.
func BenchmarkOneWay1KB(b *testing.B) {
	alice, bob := newConversation(b, 1)
	plaintext := strings.Repeat("x", 1024)
	b.ReportAllocs()
	for b.Loop() {
		exchange(b, alice, bob, plaintext)
	}
}

// A message and its answer: two messages, two steps of the Diffie-Hellman ratchet.
func BenchmarkPingPong(b *testing.B) {
	alice, bob := newConversation(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		exchange(b, alice, bob, "ping")
		exchange(b, bob, alice, "pong")
	}
}

// A message that is 100 000 steps ahead, opened on a copy each time.
func BenchmarkFarAhead(b *testing.B) {
	alice, bob := newConversation(b, 1)
	alice.skip(100_000)
	m := alice.send(b, "far ahead")
	m.bytes[len(m.bytes)-1] ^= 1
	for b.Loop() {
		bob.Effort = NewEffort(MaxAhead)
		if _, err := bob.receive(m); !errors.Is(err, ErrMAC) {
			b.Fatal(err)
		}
	}
}
