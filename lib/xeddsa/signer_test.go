package xeddsa_test

import (
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"testing"

	"sessiontool/lib/xeddsa"
)

// testSigner returns a key of a seed, and its Signer.
func testSigner(seed byte) ([ed25519.PrivateKeySize]byte, *xeddsa.Signer) {
	random := rand.NewChaCha8([32]byte{seed})
	var bytes [ed25519.SeedSize]byte
	random.Read(bytes[:])
	key := [ed25519.PrivateKeySize]byte(ed25519.NewKeyFromSeed(bytes[:]))
	return key, xeddsa.NewSigner(key)
}

// The signatures of a Signer are those of crypto/ed25519, however many messages it gets.
func TestSigner(t *testing.T) {
	for seed := range byte(4) {
		key, signer := testSigner(seed)
		random := rand.NewChaCha8([32]byte{seed, 1})
		for _, count := range []int{0, 1, 2, 3, 64} {
			messages := make([][]byte, count)
			for i := range messages {
				messages[i] = make([]byte, 3*i)
				random.Read(messages[i])
			}
			for i, got := range signer.SignAll(messages) {
				if want := ed25519.Sign(key[:], messages[i]); string(got[:]) != string(want) {
					t.Errorf("seed %d, message %d of %d: %x, want %x", seed, i, count, got, want)
				}
				if one := signer.Sign(messages[i]); one != got {
					t.Errorf("seed %d, message %d of %d alone: %x, want %x", seed, i, count, one, got)
				}
			}
		}
	}
}

func TestSignerIsRedacted(t *testing.T) {
	_, signer := testSigner(1)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(verb, signer); got != "xeddsa.Signer(redacted)" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

func BenchmarkSigner(b *testing.B) {
	key, signer := testSigner(1)
	messages := make([][]byte, 32)
	for i := range messages {
		messages[i] = []byte("kgBCB7+GXmWgBQyKpsMEV/m0iw4mfTtNpXIPLjWJrjI")
	}
	b.Run("key", func(b *testing.B) {
		for b.Loop() {
			ed25519.Sign(key[:], messages[0])
		}
	})
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			signer.Sign(messages[0])
		}
	})
	b.Run("each of 32", func(b *testing.B) {
		for range b.N/len(messages) + 1 {
			signer.SignAll(messages)
		}
	})
}
