package xeddsa

import (
	"crypto/ed25519"
	"slices"

	"filippo.io/edwards25519/field"
)

// lowOrderY are the y-coordinates of the points of low order (order 1, 2, 4 and 8), without the sign bit.
var lowOrderY = [][32]byte{
	{1},
	{
		0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
	},
	{0},
	{
		0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
	},
	{
		0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
	},
}

// VerifyStrict reports whether signature is an Ed25519 signature of message by public (session-v2.md section 3). It
// adds the checks of libsodium that crypto/ed25519 leaves out: it returns false if public or the point R of the
// signature is of low order, and if public is not reduced. A signature by a public key of low order is valid for many
// messages. Every signature of the project is verified here.
func VerifyStrict(public [ed25519.PublicKeySize]byte, message []byte, signature [SignatureSize]byte) bool {
	if !UsableKey(public) || lowOrder([32]byte(signature[:32])) {
		return false
	}
	return ed25519.Verify(public[:], message, signature[:])
}

// UsableKey reports whether VerifyStrict could accept a signature by public, as far as that shows without decoding the
// point: whether public is reduced and not of low order.
func UsableKey(public [ed25519.PublicKeySize]byte) bool { return reduced(public) && !lowOrder(public) }

// reduced reports whether the y-coordinate of an encoded point is smaller than the prime of the field.
func reduced(point [32]byte) bool {
	point[31] &^= signBit
	y, err := new(field.Element).SetBytes(point[:])
	return err == nil && [32]byte(y.Bytes()) == point
}

// lowOrder reports whether an encoded point is of low order. The y-coordinate must be reduced: for a public key the
// caller checks that. A point R that is not reduced fails in ed25519.Verify, which compares encodings.
func lowOrder(point [32]byte) bool {
	point[31] &^= signBit
	return slices.Contains(lowOrderY, point)
}
