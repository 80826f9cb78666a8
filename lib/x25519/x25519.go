// Package x25519 has the key types that the other packages share: X25519 private keys, public keys, and the
// Diffie-Hellman function between them (RFC 7748).
//
// It promises that a private key never prints itself, that keys are values of fixed size, and that a public key of low
// order gives an error instead of an all-zero secret. It is pure: randomness is passed in.
package x25519

import (
	"crypto/ecdh"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

const (
	// Size is the length in bytes of private keys, public keys and shared secrets.
	Size = 32
	// EncodedSize is the length in bytes of a public key in messages: Prefix, then the key.
	EncodedSize = 1 + Size
	// Prefix is the type byte in front of an encoded public key (DJB_TYPE in Signal's sources).
	Prefix = 0x05
)

// ErrEncoding reports an encoded public key of the wrong length or with the wrong prefix.
var ErrEncoding = errors.New("public key is not 0x05 followed by 32 bytes")

// ErrLowOrder reports a public key that makes the shared secret all zeros (RFC 7748, section 6.1).
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

// lowOrder are the u-coordinates of the points of low order, on the curve and on its twist: 0, 1, -1 and the two of
// order 8, then 0 and 1 again as they read if they are not reduced.
var lowOrder = []PublicKey{
	{0},
	{1},
	{
		0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
	},
	{
		0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
		0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
	},
	{
		0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
		0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
	},
	{
		0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
	},
	{
		0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
	},
}

// LowOrder reports whether DH refuses k. It costs no Diffie-Hellman function, so that a list of nodes can be checked
// when it is read.
func (k PublicKey) LowOrder() bool {
	k[Size-1] &= 0x7f // RFC 7748, section 5: the top bit does not count
	return slices.Contains(lowOrder, k)
}

// Equal compares in constant time.
func (k PublicKey) Equal(other PublicKey) bool {
	return subtle.ConstantTimeCompare(k[:], other[:]) == 1
}

// String returns the key in lower-case hex, without prefix.
func (k PublicKey) String() string { return hex.EncodeToString(k[:]) }

// PrivateKey is a Curve25519 scalar. [GenerateKey] returns clamped keys. Other keys are clamped when they are used.
type PrivateKey [Size]byte

// Format prints a placeholder for every verb, so that no log or error shows the key.
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

// ecdh returns k as a key of crypto/ecdh. It cannot fail: any 32 bytes are an X25519 scalar.
func (k PrivateKey) ecdh() *ecdh.PrivateKey {
	private, err := ecdh.X25519().NewPrivateKey(k[:])
	if err != nil {
		panic("x25519: " + err.Error())
	}
	return private
}

// KeyPair is a private key with its public key. Pairs made by [NewKeyPair] and [GenerateKey] also keep the parsed
// private key of crypto/ecdh: parsing computes the public key and so costs as much as a Diffie-Hellman function.
type KeyPair struct {
	Private PrivateKey
	Public  PublicKey

	parsed *ecdh.PrivateKey // of Private; nil in a pair made as a literal
	kept   *secrets         // nil in a pair that keeps no secrets
}

// maxKept bounds the kept secrets of a pair: strangers choose with whom there are some.
const maxKept = 256

// secrets are shared secrets of a pair, by the other side's public key.
type secrets struct {
	mu     sync.Mutex
	shared map[PublicKey][Size]byte
}

// Keeping returns the pair with room for the secrets of [KeyPair.KeptDH], which are as secret as the private key.
func (p KeyPair) Keeping() KeyPair {
	p.kept = &secrets{shared: make(map[PublicKey][Size]byte)}
	return p
}

// KeptDH is [KeyPair.DH] for public keys that come again, such as identities. A pair that is [KeyPair.Keeping] computes
// each secret once.
func (p KeyPair) KeptDH(peer PublicKey) ([Size]byte, error) {
	if p.kept == nil {
		return p.DH(peer)
	}
	p.kept.mu.Lock()
	secret, found := p.kept.shared[peer]
	p.kept.mu.Unlock()
	if found {
		return secret, nil
	}
	secret, err := p.DH(peer)
	if err != nil {
		return secret, err
	}
	p.kept.mu.Lock()
	defer p.kept.mu.Unlock()
	if len(p.kept.shared) >= maxKept {
		clear(p.kept.shared)
	}
	p.kept.shared[peer] = secret
	return secret, nil
}

// NewKeyPair computes the public key of private. It keeps private unchanged.
func NewKeyPair(private PrivateKey) KeyPair {
	parsed := private.ecdh()
	return KeyPair{Private: private, Public: PublicKey(parsed.PublicKey().Bytes()), parsed: parsed}
}

// Format prints only the public key, for every verb.
func (p KeyPair) Format(f fmt.State, _ rune) { io.WriteString(f, p.String()) }

// String returns the public key and a placeholder.
func (p KeyPair) String() string {
	return "x25519.KeyPair(" + p.Public.String() + ", private key redacted)"
}

// DH is [PrivateKey.DH] at half its cost.
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

// Clamp clears and sets the bits that RFC 7748, section 5 prescribes. The public key stays the same.
func Clamp(k PrivateKey) PrivateKey {
	k[0] &= 248
	k[31] = k[31]&127 | 64
	return k
}
