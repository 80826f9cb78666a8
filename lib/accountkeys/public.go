package accountkeys

import (
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"fmt"
	"io"

	"sessiontool/lib/x25519"
)

// Prefix is the first two bytes of an ML-KEM public key: what the key indicator of a message names.
type Prefix [2]byte

// Public is the public half of a Key. The zero Public is none: NewPublic makes one.
type Public struct {
	x   x25519.PublicKey
	kem *mlkem.EncapsulationKey768
	m   *[KEMPublicSize]byte // the encoding of kem
}

// NewPublic returns the public key of the two parts. It returns ErrPublicKey, wrapped with the reason, if x is of low
// order or m is not a valid ML-KEM-768 public key.
func NewPublic(x x25519.PublicKey, m []byte) (Public, error) {
	// The clamped scalar 0 is 2^254, a multiple of 8: it sends exactly the points of low order to zero.
	if _, err := (x25519.PrivateKey{}).DH(x); err != nil {
		return Public{}, fmt.Errorf("%w: x25519: %w", ErrPublicKey, err)
	}
	kem, err := mlkem.NewEncapsulationKey768(m)
	if err != nil {
		return Public{}, fmt.Errorf("%w: %w", ErrPublicKey, err)
	}
	return newPublic(x, kem), nil
}

func newPublic(x x25519.PublicKey, kem *mlkem.EncapsulationKey768) Public {
	return Public{x: x, kem: kem, m: (*[KEMPublicSize]byte)(kem.Bytes())}
}

// IsZero reports whether p is the zero Public.
func (p Public) IsZero() bool { return p.kem == nil }

// X25519 returns the X25519 public key.
func (p Public) X25519() x25519.PublicKey { return p.x }

// KEM returns the encoded ML-KEM public key.
func (p Public) KEM() [KEMPublicSize]byte { return *p.m }

// Prefix returns the first two bytes of the ML-KEM public key.
func (p Public) Prefix() Prefix { return Prefix(p.m[:2]) }

// Equal reports whether both parts are the same.
func (p Public) Equal(other Public) bool {
	if p.IsZero() || other.IsZero() {
		return p.IsZero() == other.IsZero()
	}
	return p.x == other.x && *p.m == *other.m
}

// Encapsulate reads 32 bytes from random and returns a fresh ML-KEM shared secret with its ciphertext. The error is
// random's.
//
// It calls mlkemtest because crypto/mlkem takes its randomness from the system alone, and the pure packages take
// theirs from the caller, so that recordings replay.
func (p Public) Encapsulate(random io.Reader) (secret [SecretSize]byte, ciphertext [CiphertextSize]byte, err error) {
	var coins [coinsSize]byte
	if _, err := io.ReadFull(random, coins[:]); err != nil {
		return secret, ciphertext, fmt.Errorf("reading randomness: %w", err)
	}
	shared, sealed, err := mlkemtest.Encapsulate768(p.kem, coins[:])
	if err != nil {
		return secret, ciphertext, err
	}
	return [SecretSize]byte(shared), [CiphertextSize]byte(sealed), nil
}

// String returns the beginnings of both parts, which suffice to distinguish keys in a log.
func (p Public) String() string {
	if p.IsZero() {
		return "accountkeys.Public(none)"
	}
	return fmt.Sprintf("accountkeys.Public(x25519 %x.., ml-kem %x..)", p.x[:4], p.m[:4])
}
