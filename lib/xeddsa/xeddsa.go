// Package xeddsa makes and checks signatures with X25519 keys, as on the signed prekeys of a bundle
// (signal-2020.md section 6.3).
//
// It promises signatures that the 2020 client and libsignal accept, and to accept theirs: XEdDSA with SHA-512 on
// Curve25519 (signal.org/docs/specifications/xeddsa), with one difference that both share. XEdDSA negates the
// private key where needed to make the sign of the Edwards public key 0; they keep the key and put the sign into the
// top bit of the signature, which is otherwise always 0. It is pure: randomness is passed in.
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

// SignatureSize is the length of a signature in bytes: the point R and the scalar s, which has the sign bit on top.
const SignatureSize = ed25519.SignatureSize

// signBit is where byte 31 of an Edwards point and byte 63 of a signature have the sign of a point.
const signBit = 0x80

// noncePrefix keeps the hash that makes the nonce apart from all others: 2^256 - 2, little-endian (XEdDSA, section
// 2.1, hash1).
var noncePrefix = [32]byte{
	0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
}

// Sign returns the signature of message. It reads 64 bytes from random, so that signing twice gives two signatures;
// the error is random's.
func Sign(random io.Reader, private x25519.PrivateKey, message []byte) ([SignatureSize]byte, error) {
	var z [64]byte
	if _, err := io.ReadFull(random, z[:]); err != nil {
		return [SignatureSize]byte{}, fmt.Errorf("reading randomness: %w", err)
	}
	private = x25519.Clamp(private)
	nonce := hashToScalar(noncePrefix[:], private[:], message, z[:])
	return sign(private, nonce, message), nil
}

// sign makes the signature that has the secret scalar nonce.
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

// baseMult is Point.ScalarBaseMult without its table of multiples of the base point, which the first use in a process
// fills: that takes as long as twenty of these, and most processes sign once or not at all.
func baseMult(scalar *edwards25519.Scalar) *edwards25519.Point {
	return new(edwards25519.Point).ScalarMult(scalar, edwards25519.NewGeneratorPoint())
}

// Verify reports whether signature is the signature of message by the owner of public. It is false for a public key
// that is not reduced or of low order, and for a scalar that is not reduced.
func Verify(public x25519.PublicKey, message []byte, signature [SignatureSize]byte) bool {
	edwards, ok := edwardsPublicKey(public, signature[63]&signBit)
	if !ok {
		return false
	}
	signature[63] &^= signBit
	return ed25519.Verify(edwards, message, signature[:])
}

// edwardsPublicKey returns the Edwards point with the u-coordinate public and the given sign: y = (u-1)/(u+1)
// (XEdDSA, section 2.3).
func edwardsPublicKey(public x25519.PublicKey, sign byte) (ed25519.PublicKey, bool) {
	u, err := new(field.Element).SetBytes(public[:])
	if err != nil || x25519.PublicKey(u.Bytes()) != public {
		return nil, false
	}
	one := new(field.Element).One()
	inverse := new(field.Element).Add(u, one)
	inverse.Invert(inverse)
	y := new(field.Element).Subtract(u, one)
	encoded := y.Multiply(y, inverse).Bytes()
	encoded[31] |= sign

	// A signature by a point of low order would be one for many messages.
	point, err := new(edwards25519.Point).SetBytes(encoded)
	if err != nil || new(edwards25519.Point).MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return nil, false
	}
	return encoded, true
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
