// Package xeddsa signs with X25519 private keys and verifies with X25519 public keys. The identity key signs the signed
// prekey of a bundle this way (signal-2020.md section 6.3).
//
// It promises that the 2020 client and libsignal accept its signatures, and that it accepts theirs. The scheme is
// XEdDSA with SHA-512 on Curve25519 (signal.org/docs/specifications/xeddsa) with one difference. XEdDSA negates the
// private key if the sign of the Edwards public key is 1. The client and libsignal keep the key and put the sign into
// the top bit of the signature, which is otherwise always 0. It is pure: randomness is passed in.
package xeddsa

import (
	"crypto/ed25519"
	"crypto/sha512"
	"fmt"
	"io"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"

	"sessiontool/lib/x25519"
)

// SignatureSize is the length of a signature in bytes: the point R, then the scalar s with the sign in its top bit.
const SignatureSize = ed25519.SignatureSize

// signBit is the bit of byte 31 of an Edwards point, and of byte 63 of a signature, that holds the sign of a point.
const signBit = 0x80

// noncePrefix separates the hash of the nonce from all other hashes: 2^256 - 2, little-endian (XEdDSA, section 2.1,
// hash1).
var noncePrefix = [32]byte{
	0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
}

// Sign returns the signature of message. It reads 64 bytes from random, so that two signatures of one message differ.
// The error is random's.
func Sign(random io.Reader, private x25519.PrivateKey, message []byte) ([SignatureSize]byte, error) {
	var z [64]byte
	if _, err := io.ReadFull(random, z[:]); err != nil {
		return [SignatureSize]byte{}, fmt.Errorf("reading randomness: %w", err)
	}
	private = x25519.Clamp(private)
	nonce := hashToScalar(noncePrefix[:], private[:], message, z[:])
	return sign(private, nonce, message), nil
}

// sign makes the signature with the secret scalar nonce.
func sign(private x25519.PrivateKey, nonce *edwards25519.Scalar, message []byte) [SignatureSize]byte {
	a, err := new(edwards25519.Scalar).SetBytesWithClamping(private[:])
	if err != nil {
		panic("xeddsa: " + err.Error()) // only for a wrong length
	}
	public := baseMult(a).Bytes()
	commitment := baseMult(nonce).Bytes()
	challenge := hashToScalar(commitment, public, message)
	s := new(edwards25519.Scalar).MultiplyAdd(challenge, a, nonce)

	var signature [SignatureSize]byte
	copy(signature[:32], commitment)
	copy(signature[32:], s.Bytes())
	signature[63] |= public[31] & signBit
	return signature
}

// baseMult is Point.ScalarBaseMult without its table of multiples of the base point. ScalarBaseMult fills that table on
// first use, which takes as long as twenty calls of baseMult. Most processes sign once or not at all.
func baseMult(scalar *edwards25519.Scalar) *edwards25519.Point {
	return new(edwards25519.Point).ScalarMult(scalar, edwards25519.NewGeneratorPoint())
}

// Verify reports whether the owner of public signed message. It returns false for a public key that is not reduced or
// of low order, for a point R of low order, and for a scalar that is not reduced.
func Verify(public x25519.PublicKey, message []byte, signature [SignatureSize]byte) bool {
	edwards, ok := edwardsPublicKey(public, signature[63]&signBit)
	if !ok {
		return false
	}
	signature[63] &^= signBit
	return VerifyStrict(edwards, message, signature)
}

// edwardsPublicKey returns the encoding of the Edwards point with the u-coordinate public and the given sign:
// y = (u-1)/(u+1) (XEdDSA, section 2.3). There may be no such point: VerifyStrict checks that.
func edwardsPublicKey(public x25519.PublicKey, sign byte) (key [ed25519.PublicKeySize]byte, ok bool) {
	u, err := new(field.Element).SetBytes(public[:])
	if err != nil || x25519.PublicKey(u.Bytes()) != public {
		return key, false
	}
	one := new(field.Element).One()
	inverse := new(field.Element).Add(u, one)
	inverse.Invert(inverse)
	y := new(field.Element).Subtract(u, one)
	encoded := y.Multiply(y, inverse).Bytes()
	encoded[31] |= sign
	return [ed25519.PublicKeySize]byte(encoded), true
}

// hashToScalar returns SHA-512 of parts, modulo the order of the base point.
func hashToScalar(parts ...[]byte) *edwards25519.Scalar {
	hash := sha512.New()
	for _, part := range parts {
		hash.Write(part)
	}
	scalar, err := new(edwards25519.Scalar).SetUniformBytes(hash.Sum(nil))
	if err != nil {
		panic("xeddsa: " + err.Error()) // only for a wrong length
	}
	return scalar
}
