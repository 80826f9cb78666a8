package xeddsa

import (
	"fmt"
	"io"

	"filippo.io/edwards25519"

	"sessiontool/lib/internal/blake2b"
	"sessiontool/lib/x25519"
)

// positivePersonal is the BLAKE2b personalisation of the nonce of SignPositive.
const positivePersonal = "xed25519signatur"

// SignPositive returns the Ed25519 signature of message by the positive point of private (session-v2.md section 3).
// That point has the u-coordinate of the public key and the sign bit 0. The Session ID alone is enough to verify the
// signature. SignPositive reads 64 bytes from random, like libsession, so that two signatures of one message differ.
// The error is random's.
func SignPositive(random io.Reader, private x25519.PrivateKey, message []byte) ([SignatureSize]byte, error) {
	var z [64]byte
	if _, err := io.ReadFull(random, z[:]); err != nil {
		return [SignatureSize]byte{}, fmt.Errorf("reading randomness: %w", err)
	}
	private = x25519.Clamp(private)
	a, err := new(edwards25519.Scalar).SetBytesWithClamping(private[:])
	if err != nil {
		panic("xeddsa: " + err.Error()) // only for a wrong length
	}
	public := baseMult(a).Bytes()
	secret := private[:] // hashed clamped, not reduced
	if public[31]&signBit != 0 {
		secret = a.Negate(a).Bytes()
		public[31] &^= signBit
	}
	nonce, err := new(edwards25519.Scalar).SetUniformBytes(
		blake2b.Sum(64, nil, positivePersonal, secret, message, z[:]))
	if err != nil {
		panic("xeddsa: " + err.Error()) // only for a wrong length
	}
	commitment := baseMult(nonce).Bytes()
	challenge := hashToScalar(commitment, public, message)
	s := new(edwards25519.Scalar).MultiplyAdd(challenge, a, nonce)
	return [SignatureSize]byte(append(commitment, s.Bytes()...)), nil
}

// VerifyPositive reports whether signature is a signature of message by the positive point of public, under the rules
// of [VerifyStrict]. It returns false for a public key that is not reduced or of low order.
func VerifyPositive(public x25519.PublicKey, message []byte, signature [SignatureSize]byte) bool {
	point, ok := edwardsPublicKey(public, 0)
	return ok && VerifyStrict(point, message, signature)
}
