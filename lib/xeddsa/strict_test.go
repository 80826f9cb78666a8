package xeddsa

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"testing"

	"filippo.io/edwards25519"

	"sessiontool/lib/x25519"
)

// The table has every point of low order, and nothing else: each entry is a point that the cofactor sends to the
// neutral point, and with both signs of x, where x is not zero, they are the eight points that there are.
func TestLowOrderTableIsWhole(t *testing.T) {
	points := 0
	for _, y := range lowOrderY {
		for _, sign := range []byte{0, signBit} {
			encoded := y
			encoded[31] |= sign
			point, err := new(edwards25519.Point).SetBytes(encoded[:])
			if err != nil {
				t.Fatalf("%x is not on the curve: %v", encoded, err)
			}
			if new(edwards25519.Point).MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) != 1 {
				t.Errorf("%x is not of low order", encoded)
			}
			if !lowOrder(encoded) {
				t.Errorf("%x does not count as of low order", encoded)
			}
			if bytes.Equal(point.Bytes(), encoded[:]) {
				points++
			}
		}
	}
	if points != 8 {
		t.Errorf("the table has %d points of low order, not 8", points)
	}
}

func TestVerifyStrict(t *testing.T) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := [32]byte(private[32:])
	message := []byte("message")
	good := [SignatureSize]byte(ed25519.Sign(private, message))
	if !VerifyStrict(public, message, good) {
		t.Error("an ordinary signature is refused")
	}
	if VerifyStrict(public, []byte("massage"), good) {
		t.Error("the signature of another message is accepted")
	}

	// S = s+L is the same scalar in another encoding.
	beyond, carry := good, 0
	order := []byte{
		0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
	}
	for i, b := range order {
		carry += int(beyond[32+i]) + int(b)
		beyond[32+i], carry = byte(carry), carry>>8
	}
	if VerifyStrict(public, message, beyond) {
		t.Error("a scalar that is not reduced is accepted")
	}
}

// crypto/ed25519 accepts both; VerifyStrict must not.
func TestVerifyStrictRefusesLowOrder(t *testing.T) {
	message := []byte("message")
	identity := [32]byte{1}

	var forged [SignatureSize]byte // by the neutral point: R neutral, s = 0 verifies for any message
	copy(forged[:], identity[:])
	if !ed25519.Verify(identity[:], message, forged[:]) {
		t.Error("the forgery is no longer one that crypto/ed25519 accepts")
	}
	if VerifyStrict(identity, message, forged) {
		t.Error("a public key of low order is accepted")
	}

	digest := sha512.Sum512(make([]byte, ed25519.SeedSize))
	a, err := new(edwards25519.Scalar).SetBytesWithClamping(digest[:32])
	if err != nil {
		t.Fatal(err)
	}
	public := [32]byte(baseMult(a).Bytes())
	challenge := hashToScalar(identity[:], public[:], message)
	var lowR [SignatureSize]byte // by the true key, with the nonce 0
	copy(lowR[:], identity[:])
	copy(lowR[32:], new(edwards25519.Scalar).Multiply(challenge, a).Bytes())
	if !ed25519.Verify(public[:], message, lowR[:]) {
		t.Error("the signature is no longer one that crypto/ed25519 accepts")
	}
	if VerifyStrict(public, message, lowR) {
		t.Error("a point R of low order is accepted")
	}
}

func TestVerifyStrictRefusesUnreducedKeys(t *testing.T) {
	unreduced := [32]byte{0xee} // the prime + 1, which is the neutral point again
	for i := range unreduced[1:] {
		unreduced[1+i] = 0xff
	}
	unreduced[31] = 0x7f
	var forged [SignatureSize]byte
	forged[0] = 1
	if !ed25519.Verify(unreduced[:], nil, forged[:]) {
		t.Error("the forgery is no longer one that crypto/ed25519 accepts")
	}
	if VerifyStrict(unreduced, nil, forged) {
		t.Error("an unreduced public key is accepted")
	}
}

// For both signs of the Ed25519 key, the Session ID alone verifies the signature.
func TestPositiveSignatures(t *testing.T) {
	signs := map[byte]int{}
	for i := range byte(16) {
		pair := x25519.NewKeyPair(x25519.Clamp(x25519.PrivateKey{1: i, 2: 7}))
		a, err := new(edwards25519.Scalar).SetBytesWithClamping(pair.Private[:])
		if err != nil {
			t.Fatal(err)
		}
		signs[baseMult(a).Bytes()[31]&signBit]++
		message := []byte{i}
		z := bytes.Repeat([]byte{i}, 64)
		signature, err := SignPositive(bytes.NewReader(z), pair.Private, message)
		if err != nil {
			t.Fatal(err)
		}
		if !VerifyPositive(pair.Public, message, signature) {
			t.Errorf("key %d: the signature is refused", i)
		}
		if VerifyPositive(pair.Public, []byte("other"), signature) {
			t.Errorf("key %d: the signature of another message is accepted", i)
		}
		if _, err := SignPositive(bytes.NewReader(z[1:]), pair.Private, message); err == nil {
			t.Error("63 bytes of randomness were enough")
		}
	}
	if signs[0] == 0 || signs[signBit] == 0 {
		t.Errorf("only one sign was tried: %v", signs)
	}
	if VerifyPositive(x25519.PublicKey{}, nil, [SignatureSize]byte{}) {
		t.Error("a public key of low order is accepted")
	}
}
