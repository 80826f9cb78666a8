// Package accountkeys holds the rotating keys of Session Protocol v2: account keys, which give messages their forward
// secrecy, and device keys, which read the device group (session-v2.md sections 4, 5 and 10). The form
// is that of autumn 2026.
//
// It promises that one seed always yields the same keys, that a public key that was parsed is usable (neither of low
// order nor an invalid ML-KEM key), and that no secret prints itself. It is pure: randomness and times are passed in.
//
// A Seed grows into a Key; a Public is what others see of it. Publish and ParsePublished write and read the message in
// which an account publishes its key. An Entry is a key in time: Rotate, Merge and Prune keep the list of them, and a
// Held finds the key of a message among them.
package accountkeys

import (
	"crypto/mlkem"
	"crypto/sha3"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"

	"sessiontool/lib/x25519"
)

const (
	// SeedSize is the length of a seed in bytes.
	SeedSize = 32
	// KEMPublicSize is the length of an ML-KEM-768 public key in bytes.
	KEMPublicSize = mlkem.EncapsulationKeySize768
	// CiphertextSize is the length of an ML-KEM-768 ciphertext in bytes.
	CiphertextSize = mlkem.CiphertextSize768
	// SecretSize is the length of the shared secrets of X25519 and of ML-KEM-768 in bytes.
	SecretSize = 32
	// coinsSize is the length of the randomness of one encapsulation in bytes.
	coinsSize = 32
)

// The labels in front of a seed when it is expanded.
const (
	accountLabel = "SessionAccountKeys"
	deviceLabel  = "SessionDeviceKeys"
)

// ErrPublicKey reports a public key that cannot be used: of low order, not of its size, or no ML-KEM-768 key.
var ErrPublicKey = errors.New("unusable public key")

// Seed is the secret that an account key or a device key grows from.
type Seed [SeedSize]byte

// GenerateSeed reads a seed from random. The error is random's.
func GenerateSeed(random io.Reader) (Seed, error) {
	var seed Seed
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return Seed{}, fmt.Errorf("reading randomness: %w", err)
	}
	return seed, nil
}

// Equal compares in constant time.
func (s Seed) Equal(other Seed) bool { return subtle.ConstantTimeCompare(s[:], other[:]) == 1 }

// Format prints a placeholder whatever the verb is, so that no log or error can show the seed.
func (s Seed) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// String returns a placeholder.
func (s Seed) String() string { return "accountkeys.Seed(redacted)" }

// AccountKey expands s as the seed of an account key.
func (s Seed) AccountKey() *Key { return s.expand(accountLabel) }

// DeviceKey expands s as the seed of a device key.
func (s Seed) DeviceKey() *Key { return s.expand(deviceLabel) }

func (s Seed) expand(label string) *Key {
	var expanded [x25519.Size + mlkem.SeedSize]byte
	shake := sha3.NewSHAKE256()
	shake.Write([]byte(label))
	shake.Write(s[:])
	shake.Read(expanded[:])
	kem, err := mlkem.NewDecapsulationKey768(expanded[x25519.Size:])
	if err != nil {
		panic("accountkeys: " + err.Error()) // only for a wrong length
	}
	pair := x25519.NewKeyPair(x25519.PrivateKey(expanded[:x25519.Size]))
	return &Key{pair: pair, kem: kem, public: newPublic(pair.Public, kem.EncapsulationKey())}
}

// Key is a key pair of X25519 and one of ML-KEM-768.
type Key struct {
	pair   x25519.KeyPair
	kem    *mlkem.DecapsulationKey768
	public Public
}

// Public returns the public half.
func (k *Key) Public() Public { return k.public }

// Agree returns the X25519 shared secret with peer, or x25519.ErrLowOrder.
func (k *Key) Agree(peer x25519.PublicKey) ([SecretSize]byte, error) { return k.pair.DH(peer) }

// Decapsulate returns the shared secret of an ML-KEM ciphertext. A ciphertext for another key yields a secret that
// nothing else has, not an error.
func (k *Key) Decapsulate(ciphertext *[CiphertextSize]byte) [SecretSize]byte {
	secret, err := k.kem.Decapsulate(ciphertext[:])
	if err != nil {
		panic("accountkeys: " + err.Error()) // only for a wrong length
	}
	return [SecretSize]byte(secret)
}

// Format prints a placeholder whatever the verb is, so that no log or error can show the key.
func (k *Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// String names the key by its public half.
func (k *Key) String() string {
	return "accountkeys.Key(" + k.public.x.String() + ", private keys redacted)"
}
