// Package x25519 holds the key types that every other package shares: X25519 private and public keys
// and the Diffie-Hellman function between them (RFC 7748).
//
// It promises that a private key never prints itself, that keys are values of fixed size, and that a
// low-order public key is refused instead of yielding an all-zero secret. It is pure: randomness is passed in.
package x25519

import (
	"crypto/ecdh"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

const (
	// Size is the length in bytes of private keys, public keys and shared secrets.
	Size = 32
	// EncodedSize is the length of a public key as messages carry it: Prefix, then the key.
	EncodedSize = 1 + Size
	// Prefix is the type byte in front of an encoded public key (DJB_TYPE in Signal's sources).
	Prefix = 0x05
)

// ErrEncoding reports an encoded public key of the wrong length or with the wrong prefix.
var ErrEncoding = errors.New("public key is not 0x05 followed by 32 bytes")

// ErrLowOrder reports a public key whose shared secret would be all zeros (RFC 7748, section 6.1).
var ErrLowOrder = errors.New("public key is of low order")

// PublicKey is the u-coordinate of a Curve25519 point, little-endian.
type PublicKey [Size]byte

// ParseEncoded reads a public key in its 33-byte form. It returns ErrEncoding for anything else.
func ParseEncoded(b []byte) (PublicKey, error) {
	if len(b) != EncodedSize || b[0] != Prefix {
		return PublicKey{}, ErrEncoding
	}
	return PublicKey(b[1:]), nil
}

// Encoded returns the 33-byte form: Prefix, then the key.
func (k PublicKey) Encoded() []byte {
	return append([]byte{Prefix}, k[:]...)
}

// Equal compares in constant time.
func (k PublicKey) Equal(other PublicKey) bool {
	return subtle.ConstantTimeCompare(k[:], other[:]) == 1
}

// String returns the key in lower-case hex, without prefix.
func (k PublicKey) String() string { return hex.EncodeToString(k[:]) }

// PrivateKey is a Curve25519 scalar. Keys made by GenerateKey are clamped; others are clamped when used.
type PrivateKey [Size]byte

// Format prints a placeholder whatever the verb is, so that no log or error can show the key.
func (k PrivateKey) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// String returns a placeholder.
func (k PrivateKey) String() string { return "x25519.PrivateKey(redacted)" }

// Public computes the public key.
func (k PrivateKey) Public() PublicKey {
	return PublicKey(k.ecdh().PublicKey().Bytes())
}

// DH returns the 32-byte shared secret X25519(k, peer), or ErrLowOrder.
func (k PrivateKey) DH(peer PublicKey) ([Size]byte, error) { return dh(k.ecdh(), peer) }

func dh(private *ecdh.PrivateKey, peer PublicKey) ([Size]byte, error) {
	public, err := ecdh.X25519().NewPublicKey(peer[:])
	if err != nil {
		return [Size]byte{}, err
	}
	secret, err := private.ECDH(public)
	if err != nil {
		return [Size]byte{}, ErrLowOrder
	}
	return [Size]byte(secret), nil
}

// ecdh cannot fail: any 32 bytes are an X25519 scalar.
func (k PrivateKey) ecdh() *ecdh.PrivateKey {
	private, err := ecdh.X25519().NewPrivateKey(k[:])
	if err != nil {
		panic("x25519: " + err.Error())
	}
	return private
}

// KeyPair is a private key with its public key. Pairs made by NewKeyPair and GenerateKey also keep the private key as
// crypto/ecdh wants it: parsing it costs as much as using it, because the public key is computed on the way.
type KeyPair struct {
	Private PrivateKey
	Public  PublicKey

	parsed *ecdh.PrivateKey // of Private; nil in a pair that was put together by hand
}

// NewKeyPair computes the public key of private, which is kept as given.
func NewKeyPair(private PrivateKey) KeyPair {
	parsed := private.ecdh()
	return KeyPair{Private: private, Public: PublicKey(parsed.PublicKey().Bytes()), parsed: parsed}
}

// Format prints the public key alone, whatever the verb is.
func (p KeyPair) Format(f fmt.State, _ rune) { io.WriteString(f, p.String()) }

// String names the pair by its public key.
func (p KeyPair) String() string {
	return "x25519.KeyPair(" + p.Public.String() + ", private key redacted)"
}

// DH is PrivateKey.DH at half its cost. Use it where a pair is at hand.
func (p KeyPair) DH(peer PublicKey) ([Size]byte, error) {
	if p.parsed == nil {
		return p.Private.DH(peer)
	}
	return dh(p.parsed, peer)
}

// GenerateKey reads 32 bytes from random and clamps them. The error is random's.
func GenerateKey(random io.Reader) (KeyPair, error) {
	var private PrivateKey
	if _, err := io.ReadFull(random, private[:]); err != nil {
		return KeyPair{}, fmt.Errorf("reading randomness: %w", err)
	}
	return NewKeyPair(Clamp(private)), nil
}

// Clamp clears and sets the bits that RFC 7748, section 5 fixes. The public key does not change.
func Clamp(k PrivateKey) PrivateKey {
	k[0] &= 248
	k[31] = k[31]&127 | 64
	return k
}
