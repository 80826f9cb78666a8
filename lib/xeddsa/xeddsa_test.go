package xeddsa

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"errors"
	"io"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"filippo.io/edwards25519"

	"sessiontool/lib/x25519"
)

var message = []byte("a message")

// generate returns a key pair for a number, and the randomness of its signature.
func generate(t *testing.T, number byte) (x25519.KeyPair, io.Reader) {
	t.Helper()
	random := rand.NewChaCha8([32]byte{number})
	pair, err := x25519.GenerateKey(random)
	if err != nil {
		t.Fatal(err)
	}
	return pair, random
}

func TestSignAndVerify(t *testing.T) {
	withSignBit := 0
	for number := range byte(20) {
		pair, random := generate(t, number)
		signature, err := Sign(random, pair.Private, message)
		if err != nil {
			t.Fatal(err)
		}
		if !Verify(pair.Public, message, signature) {
			t.Errorf("key %d: signature does not verify", number)
		}
		if signature[63]&signBit != 0 {
			withSignBit++
		}
		other, err := Sign(random, pair.Private, message)
		if err != nil {
			t.Fatal(err)
		}
		if other == signature || !Verify(pair.Public, message, other) {
			t.Errorf("key %d: second signature is the first or does not verify", number)
		}
	}
	if withSignBit == 0 || withSignBit == 20 {
		t.Errorf("%d of 20 keys have a negative sign, the test wants both kinds", withSignBit)
	}
}

// TestSignUnclamped: clamping does not change the key.
func TestSignUnclamped(t *testing.T) {
	private := x25519.PrivateKey(bytes.Repeat([]byte{0xff}, 32))
	_, random := generate(t, 0)
	signature, err := Sign(random, private, message)
	if err != nil || !Verify(private.Public(), message, signature) {
		t.Errorf("signature of an unclamped key does not verify (%v)", err)
	}
}

func TestSignNeedsRandomness(t *testing.T) {
	pair, _ := generate(t, 0)
	_, err := Sign(strings.NewReader("63 bytes or less"), pair.Private, message)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	pair, random := generate(t, 0)
	stranger, _ := generate(t, 1)
	signature, err := Sign(random, pair.Private, message)
	if err != nil {
		t.Fatal(err)
	}
	if Verify(stranger.Public, message, signature) {
		t.Error("another key verifies")
	}
	if Verify(pair.Public, []byte("another message"), signature) || Verify(pair.Public, nil, signature) {
		t.Error("another message verifies")
	}
	for bit := range 8 * SignatureSize {
		changed := signature
		changed[bit/8] ^= 1 << (bit % 8)
		if Verify(pair.Public, message, changed) {
			t.Errorf("signature verifies with bit %d changed", bit)
		}
	}
}

// TestVerifyRefusesUnreducedScalar adds the group order to s, which still satisfies the equation.
func TestVerifyRefusesUnreducedScalar(t *testing.T) {
	order, _ := new(
		big.Int,
	).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	pair, random := generate(t, 2)
	signature, err := Sign(random, pair.Private, message)
	if err != nil {
		t.Fatal(err)
	}
	sign := signature[63] & signBit
	signature[63] &^= signBit
	raw := slices.Clone(signature[32:])
	slices.Reverse(raw)
	s := new(big.Int).SetBytes(raw)
	s.Add(s, order).FillBytes(raw)
	slices.Reverse(raw)
	copy(signature[32:], raw)
	signature[63] |= sign
	if Verify(pair.Public, message, signature) {
		t.Error("signature verifies with a scalar that is not reduced")
	}
}

// TestVerifyRefusesKeys has keys for which signatures can be forged.
func TestVerifyRefusesKeys(t *testing.T) {
	minusOne := x25519.PublicKey(bytes.Repeat([]byte{0xff}, 32)) // 2^255 - 20
	minusOne[0], minusOne[31] = 0xec, 0x7f
	for name, public := range map[string]x25519.PublicKey{"0": {}, "1": {1}, "-1": minusOne} {
		// A key of low order vanishes from Ed25519's equation for one message in two or four. Then R = the neutral
		// element with s = 0 is a valid signature without a secret.
		forged := [SignatureSize]byte{1}
		for i := range byte(64) {
			if Verify(public, []byte{i}, forged) {
				t.Fatalf("u = %s: a forged signature verifies", name)
			}
		}
	}

	// Two encodings of a point would be two keys with the same signatures.
	pair, random := generate(t, 3)
	signature, err := Sign(random, pair.Private, message)
	if err != nil {
		t.Fatal(err)
	}
	pair.Public[31] |= 0x80
	if Verify(pair.Public, message, signature) {
		t.Error("key with its top bit set verifies")
	}
}

// A signature with the nonce 0 has a point R of low order. crypto/ed25519 accepts it.
func TestVerifyRefusesLowOrderR(t *testing.T) {
	pair, _ := generate(t, 0)
	signature := sign(pair.Private, new(edwards25519.Scalar), message)
	if Verify(pair.Public, message, signature) {
		t.Error("a point R of low order verifies")
	}
	public, ok := edwardsPublicKey(pair.Public, signature[63]&signBit)
	signature[63] &^= signBit
	if !ok || !ed25519.Verify(public[:], message, signature[:]) {
		t.Error("crypto/ed25519 refuses the signature, so this test shows nothing")
	}
}

// TestAgreesWithEd25519 turns signatures of crypto/ed25519 into ours: the key goes over to its X25519 form, and the
// sign that is lost on the way into the signature.
func TestAgreesWithEd25519(t *testing.T) {
	for number := range byte(20) {
		seed := sha512.Sum512([]byte{number})
		private := ed25519.NewKeyFromSeed(seed[:32])
		edwards := private.Public().(ed25519.PublicKey)
		point, err := new(edwards25519.Point).SetBytes(edwards)
		if err != nil {
			t.Fatal(err)
		}
		public := x25519.PublicKey(point.BytesMontgomery())
		signature := [SignatureSize]byte(ed25519.Sign(private, message))
		signature[63] |= edwards[31] & signBit
		if !Verify(public, message, signature) {
			t.Errorf("key %d: signature of Ed25519 does not verify", number)
		}
		signature[63] ^= signBit
		if Verify(public, message, signature) {
			t.Errorf("key %d: signature verifies with the wrong sign", number)
		}
	}
}

// TestEd25519Agrees is the way back.
func TestEd25519Agrees(t *testing.T) {
	for number := range byte(20) {
		pair, random := generate(t, number)
		signature, err := Sign(random, pair.Private, message)
		if err != nil {
			t.Fatal(err)
		}
		scalar, err := new(edwards25519.Scalar).SetBytesWithClamping(pair.Private[:])
		if err != nil {
			t.Fatal(err)
		}
		edwards := new(edwards25519.Point).ScalarBaseMult(scalar).Bytes()
		signature[63] &^= signBit
		if !ed25519.Verify(edwards, message, signature[:]) {
			t.Errorf("key %d: Ed25519 refuses the signature", number)
		}
	}
}

func FuzzVerify(f *testing.F) {
	private := x25519.PrivateKey{1, 2, 3}
	public := private.Public()
	good := signLikeClient(private, message)
	f.Add(public[:], message, good[:])
	f.Add(make([]byte, 32), []byte{}, make([]byte, 64))
	f.Fuzz(func(t *testing.T, key, text, signature []byte) {
		if len(key) != x25519.Size || len(signature) != SignatureSize {
			return
		}
		if !Verify(x25519.PublicKey(key), text, [SignatureSize]byte(signature)) {
			return
		}
		if [x25519.Size]byte(key) == public && (!bytes.Equal(text, message) || !bytes.Equal(signature, good[:])) {
			t.Errorf("forged: %x over %x", signature, text)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	random := rand.NewChaCha8([32]byte{})
	for b.Loop() {
		if _, err := Sign(random, x25519.PrivateKey{1}, message); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	private := x25519.PrivateKey{1}
	public, signature := private.Public(), signLikeClient(x25519.Clamp(private), message)
	for b.Loop() {
		if !Verify(public, message, signature) {
			b.Fatal("signature does not verify")
		}
	}
}
