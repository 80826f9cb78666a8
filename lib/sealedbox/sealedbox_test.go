package sealedbox

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"filippo.io/edwards25519"
	"golang.org/x/crypto/nacl/box"
	"golang.org/x/crypto/nacl/secretbox"
	//lint:ignore SA1019 HSalsa20 derives the key of a crypto_box, and no other package has it
	"golang.org/x/crypto/salsa20/salsa"

	"sessiontool/lib/internal/blake2b"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// testRandom returns a source of bytes that is the same in every run and differs from test to test.
func testRandom(t testing.TB) io.Reader {
	var seed [32]byte
	copy(seed[:], t.Name())
	return rand.NewChaCha8(seed)
}

func newKeys(t testing.TB, random io.Reader) sessionid.Keys {
	t.Helper()
	seed, err := sessionid.GenerateSeed(random)
	if err != nil {
		t.Fatal(err)
	}
	return sessionid.KeysFromSeed(seed)
}

func TestSealAndOpen(t *testing.T) {
	random := testRandom(t)
	alice, bob := newKeys(t, random), newKeys(t, random)
	for _, content := range []string{"", "x", strings.Repeat("long ", 2000)} {
		sealed, err := Seal(random, alice, bob.X25519.Public, []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		if len(sealed) != len(content)+Overhead {
			t.Errorf("%d bytes are sealed to %d", len(content), len(sealed))
		}
		padded, sender, err := Open(bob.X25519, sealed)
		if err != nil || sender != alice.ID() || string(padded) != content {
			t.Errorf("%q from %s opens to %q from %s, %v", content, alice.ID(), padded, sender, err)
		}
		if _, _, err := Open(alice.X25519, sealed); !errors.Is(err, ErrDecrypt) {
			t.Errorf("the sender opens it: %v", err)
		}
	}
}

func TestSealRefuses(t *testing.T) {
	random := testRandom(t)
	alice := newKeys(t, random)
	if _, err := Seal(random, alice, x25519.PublicKey{}, nil); !errors.Is(err, x25519.ErrLowOrder) {
		t.Errorf("a recipient of low order gives %v", err)
	}
	bob := newKeys(t, random)
	if _, err := Seal(strings.NewReader("short"), alice, bob.X25519.Public, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("too little randomness gives %v", err)
	}
}

func TestOpenRefusesEveryChange(t *testing.T) {
	random := testRandom(t)
	alice, bob := newKeys(t, random), newKeys(t, random)
	sealed, err := Seal(random, alice, bob.X25519.Public, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, _, err := Open(bob.X25519, changed); !errors.Is(err, ErrDecrypt) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, _, err := Open(bob.X25519, sealed[:i]); !errors.Is(err, ErrDecrypt) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
}

// Any party can make a box. The signature alone authenticates the sender.
func TestOpenRefusesForgeries(t *testing.T) {
	random := testRandom(t)
	alice, bob, mallory := newKeys(t, random), newKeys(t, random), newKeys(t, random)
	text := []byte("pay mallory")
	plaintextFor := func(signer sessionid.Keys, claimed [32]byte, recipient x25519.PublicKey) []byte {
		signature := signer.Sign(signedText(text, claimed[:], recipient))
		return bytes.Join([][]byte{text, claimed[:], signature[:]}, nil)
	}
	// A key of low order, R of low order and s = 0 verify whatever is signed under some of the texts.
	var lowOrder [32]byte
	lowOrder[0] = 1
	alicePublic := alice.Ed25519Public()
	for name, test := range map[string]struct {
		plaintext []byte
		want      error
	}{
		"signed by somebody else": {plaintextFor(mallory, alice.Ed25519Public(), bob.X25519.Public), ErrSignature},
		"signed for another user": {
			plaintextFor(alice, alice.Ed25519Public(), mallory.X25519.Public), ErrSignature,
		},
		"key that is no point": {plaintextFor(alice, [32]byte{2}, bob.X25519.Public), ErrSignature},
		"key of low order": {
			bytes.Join([][]byte{text, lowOrder[:], lowOrder[:], make([]byte, 32)}, nil), ErrSignature,
		},
		"R of low order": {
			plaintextSigned(text, alice, smallOrderR(t, alice, signedText(text, alicePublic[:], bob.X25519.Public))),
			ErrSignature,
		},
		"no room for key and so on":   {make([]byte, trailerSize-1), ErrDecrypt},
		"nothing but key and so on 0": {make([]byte, trailerSize), ErrSignature},
	} {
		public := [32]byte(bob.X25519.Public)
		sealed, err := box.SealAnonymous(nil, test.plaintext, &public, random)
		if err != nil {
			t.Fatal(err)
		}
		if padded, sender, err := Open(bob.X25519, sealed); !errors.Is(err, test.want) || padded != nil ||
			!sender.IsZero() {
			t.Errorf("%s: opened to %q from %s, %v", name, padded, sender, err)
		}
	}
}

// plaintextSigned returns the content of a box from sender with this signature.
func plaintextSigned(text []byte, sender sessionid.Keys, signature []byte) []byte {
	public := sender.Ed25519Public()
	return bytes.Join([][]byte{text, public[:], signature}, nil)
}

// smallOrderR returns a signature by sender, of text, with the nonce 0. crypto/ed25519 accepts it.
func smallOrderR(t *testing.T, sender sessionid.Keys, text []byte) []byte {
	t.Helper()
	public := sender.Ed25519Public()
	point := edwards25519.NewIdentityPoint().Bytes()
	digest := sha512.Sum512(bytes.Join([][]byte{point, public[:], text}, nil))
	challenge, err := new(edwards25519.Scalar).SetUniformBytes(digest[:])
	if err != nil {
		t.Fatal(err)
	}
	secret, err := new(edwards25519.Scalar).SetBytesWithClamping(sender.X25519.Private[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(point, new(edwards25519.Scalar).Multiply(challenge, secret).Bytes()...)
	if !ed25519.Verify(public[:], text, signature) {
		t.Fatal("crypto/ed25519 refuses the signature, so this test shows nothing")
	}
	return signature
}

// With an ephemeral key of low order the box's key is a known value, so that any program on the way can open and change
// the box. box.OpenAnonymous opens it.
func TestOpenRefusesLowOrder(t *testing.T) {
	random := testRandom(t)
	alice, bob := newKeys(t, random), newKeys(t, random)
	public := alice.Ed25519Public()
	signature := alice.Sign(signedText(nil, public[:], bob.X25519.Public))
	for _, ephemeral := range []x25519.PublicKey{{}, {1}} {
		var key [32]byte
		salsa.HSalsa20(&key, new([16]byte), new([32]byte), &salsa.Sigma)
		nonce := [24]byte(blake2b.Sum(24, nil, "", ephemeral[:], bob.X25519.Public[:]))
		sealed := secretbox.Seal(ephemeral[:], plaintextSigned(nil, alice, signature[:]), &nonce, &key)
		if _, ok := box.OpenAnonymous(nil, sealed, (*[32]byte)(&bob.X25519.Public),
			(*[32]byte)(&bob.X25519.Private)); !ok {
			t.Fatal("nacl/box refuses the box, so this test shows nothing")
		}
		if _, _, err := Open(bob.X25519, sealed); !errors.Is(err, ErrDecrypt) {
			t.Errorf("ephemeral key %s: %v", ephemeral, err)
		}
	}
}

// No input makes Open panic, or return a sender without a signature.
func FuzzOpen(f *testing.F) {
	random := testRandom(f)
	bob := newKeys(f, random)
	sealed, err := Seal(random, newKeys(f, random), bob.X25519.Public, []byte("hello"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		padded, sender, err := Open(bob.X25519, data)
		if (err == nil) != !sender.IsZero() || err == nil && len(padded)+Overhead != len(data) {
			t.Errorf("%x opens to %x from %s, %v", data, padded, sender, err)
		}
	})
}
