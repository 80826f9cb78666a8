package sessionid

import (
	"crypto/ed25519"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"

	"filippo.io/edwards25519"

	"sessiontool/lib/x25519"
)

// ErrPublicKey reports 32 bytes that are not a usable Ed25519 public key: not a point of the curve, or of low order.
var ErrPublicKey = errors.New("not an ed25519 public key")

// Seed is the secret of an account: 16 bytes, which package mnemonic writes as 13 words.
type Seed [16]byte

// GenerateSeed reads a seed from random. The error is random's.
func GenerateSeed(random io.Reader) (Seed, error) {
	var seed Seed
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return Seed{}, fmt.Errorf("reading randomness: %w", err)
	}
	return seed, nil
}

// Format prints a placeholder for every verb, so that no log or error shows the seed.
func (s Seed) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// String returns a placeholder.
func (s Seed) String() string { return "sessionid.Seed(redacted)" }

// SigningKey is an Ed25519 private key: the 32-byte seed of RFC 8032, followed by the public key.
type SigningKey [ed25519.PrivateKeySize]byte

// Public returns the Ed25519 public key.
func (k SigningKey) Public() [ed25519.PublicKeySize]byte {
	return [ed25519.PublicKeySize]byte(k[ed25519.SeedSize:])
}

// Sign returns the Ed25519 signature of message.
func (k SigningKey) Sign(message []byte) [ed25519.SignatureSize]byte {
	return [ed25519.SignatureSize]byte(ed25519.Sign(k[:], message))
}

// Format prints a placeholder for every verb, so that no log or error shows the key.
func (k SigningKey) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// String returns a placeholder.
func (k SigningKey) String() string { return "sessionid.SigningKey(redacted)" }

// Keys are the identity keys of an account: one secret in its Ed25519 form and its X25519 form.
type Keys struct {
	Ed25519 SigningKey
	X25519  x25519.KeyPair
}

// KeysFromSeed derives the keys of an account like the apps since version 1.4.1: the seed, followed by 16 zero bytes,
// is an Ed25519 seed (signal-2020.md section 1.3, era C). The older eras A and B derive other IDs from the same words.
// They are not supported.
func KeysFromSeed(seed Seed) Keys {
	var filled [ed25519.SeedSize]byte
	copy(filled[:], seed[:])
	return keysFromEd25519Seed(filled)
}

func keysFromEd25519Seed(seed [ed25519.SeedSize]byte) Keys {
	// The same half of this hash is the secret scalar of the Ed25519 key (RFC 8032, section 5.1.5).
	digest := sha512.Sum512(seed[:])
	return Keys{
		Ed25519: signingKey(seed, digest[:x25519.Size]),
		X25519:  x25519.NewKeyPair(x25519.Clamp(x25519.PrivateKey(digest[:x25519.Size]))),
	}
}

// signingKey is ed25519.NewKeyFromSeed without its table of multiples of the base point. crypto/ed25519 fills that
// table on first use, which takes longer than all other computation of a short command.
func signingKey(seed [ed25519.SeedSize]byte, secret []byte) SigningKey {
	scalar, err := new(edwards25519.Scalar).SetBytesWithClamping(secret)
	if err != nil {
		panic("sessionid: " + err.Error()) // only for a wrong length
	}
	public := new(edwards25519.Point).ScalarMult(scalar, edwards25519.NewGeneratorPoint())
	return SigningKey(append(seed[:], public.Bytes()...))
}

// ID returns the account's Session ID.
func (k Keys) ID() ID { return FromPublicKey(k.X25519.Public) }

// Ed25519Public returns the account's Ed25519 public key.
func (k Keys) Ed25519Public() [ed25519.PublicKeySize]byte { return k.Ed25519.Public() }

// Sign returns the account's Ed25519 signature of message.
func (k Keys) Sign(message []byte) [ed25519.SignatureSize]byte { return k.Ed25519.Sign(message) }

// PublicKeyFromEd25519 maps an Ed25519 public key to the X25519 public key of the same owner, by the birational map of
// RFC 7748, section 4.1. It returns ErrPublicKey if public is not a point of the curve or is of low order.
func PublicKeyFromEd25519(public [ed25519.PublicKeySize]byte) (x25519.PublicKey, error) {
	point, err := new(edwards25519.Point).SetBytes(public[:])
	if err != nil {
		return x25519.PublicKey{}, ErrPublicKey
	}
	if new(edwards25519.Point).MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return x25519.PublicKey{}, ErrPublicKey
	}
	return x25519.PublicKey(point.BytesMontgomery()), nil
}
