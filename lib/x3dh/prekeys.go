package x3dh

import (
	"errors"
	"fmt"
	"io"
	"time"

	"sessiontool/lib/x25519"
	"sessiontool/lib/xeddsa"
)

// SignatureSize is the length in bytes of a signed prekey's signature.
const SignatureSize = 64

// ErrSignature reports a bundle whose identity key did not sign its signed prekey.
var ErrSignature = errors.New("signature of the signed prekey is wrong")

// SignedPrekey is a signed prekey (SPK): its owner's identity key signs it, and all contacts use it until it is
// rotated.
type SignedPrekey struct {
	ID uint32
	x25519.KeyPair
	// Signature is the identity key's XEdDSA signature over the encoded public key (33 bytes).
	Signature [SignatureSize]byte
	// CreatedAt determines when the owner rotates the prekey (signal-2020.md section 6.2).
	CreatedAt time.Time
}

// GenerateSignedPrekey draws a key pair from random and signs its public key with identity. The error is random's.
func GenerateSignedPrekey(random io.Reader, identity x25519.KeyPair, id uint32, now time.Time) (SignedPrekey, error) {
	pair, err := x25519.GenerateKey(random)
	if err != nil {
		return SignedPrekey{}, fmt.Errorf("signed prekey: %w", err)
	}
	signature, err := xeddsa.Sign(random, identity.Private, pair.Public.Encoded())
	if err != nil {
		return SignedPrekey{}, fmt.Errorf("signed prekey: %w", err)
	}
	return SignedPrekey{ID: id, KeyPair: pair, Signature: signature, CreatedAt: now}, nil
}

// OneTimePrekey is a one-time prekey (OPK), for a single agreement. Its owner deletes it after the first message that
// uses it.
type OneTimePrekey struct {
	ID uint32
	x25519.KeyPair
}

// GenerateOneTimePrekey draws a key pair from random. The error is random's.
func GenerateOneTimePrekey(random io.Reader, id uint32) (OneTimePrekey, error) {
	pair, err := x25519.GenerateKey(random)
	if err != nil {
		return OneTimePrekey{}, fmt.Errorf("one-time prekey: %w", err)
	}
	return OneTimePrekey{ID: id, KeyPair: pair}, nil
}

// Bundle is a prekey bundle: Bob's public keys, with which Alice can start a session while he is offline (X3DH, section
// 3.2).
type Bundle struct {
	IdentityKey    x25519.PublicKey
	SignedPrekeyID uint32
	SignedPrekey   x25519.PublicKey
	// Signature is the signature of IdentityKey over the encoded SignedPrekey (33 bytes).
	Signature [SignatureSize]byte
	// OneTimePrekeyID is meaningful only if OneTimePrekey is set.
	OneTimePrekeyID uint32
	// OneTimePrekey is nil if the bundle has none. Real clients always send one.
	OneTimePrekey *x25519.PublicKey
}

// NewBundle makes a bundle from the public keys of its owner. oneTime may be nil.
func NewBundle(identity x25519.PublicKey, signed SignedPrekey, oneTime *OneTimePrekey) Bundle {
	bundle := Bundle{
		IdentityKey:    identity,
		SignedPrekeyID: signed.ID,
		SignedPrekey:   signed.Public,
		Signature:      signed.Signature,
	}
	if oneTime != nil {
		public := oneTime.Public
		bundle.OneTimePrekeyID, bundle.OneTimePrekey = oneTime.ID, &public
	}
	return bundle
}

// Verify returns ErrSignature unless IdentityKey signed SignedPrekey.
func (b Bundle) Verify() error {
	if !xeddsa.Verify(b.IdentityKey, b.SignedPrekey.Encoded(), b.Signature) {
		return ErrSignature
	}
	return nil
}
