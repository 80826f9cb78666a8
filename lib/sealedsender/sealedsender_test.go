package sealedsender

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/internal/fields"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// testRandom returns a source of bytes that is the same in every run and differs from test to test.
func testRandom(t testing.TB) io.Reader {
	var seed [32]byte
	copy(seed[:], t.Name())
	return rand.NewChaCha8(seed)
}

func newKeys(t testing.TB, random io.Reader) x25519.KeyPair {
	t.Helper()
	keys, err := x25519.GenerateKey(random)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func innerOf(sender x25519.KeyPair, content string) Inner {
	return Inner{Kind: ciphertext.Whisper, Sender: sessionid.FromPublicKey(sender.Public), Content: []byte(content)}
}

func marshal(t testing.TB, inner Inner) []byte {
	t.Helper()
	b, err := inner.marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealAndOpen(t *testing.T) {
	random := testRandom(t)
	alice, bob := newKeys(t, random), newKeys(t, random)
	for _, kind := range []ciphertext.Kind{ciphertext.PreKeyWhisper, ciphertext.Whisper, ciphertext.FriendRequest} {
		t.Run(kind.String(), func(t *testing.T) {
			inner := innerOf(alice, "x")
			inner.Kind = kind
			sealed, err := Seal(random, alice, bob.Public, inner)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := Open(bob, sealed); err != nil || !reflect.DeepEqual(got, inner) {
				t.Errorf("opened to %v, %v", got, err)
			}
		})
	}
}

func TestSealRefuses(t *testing.T) {
	random := testRandom(t)
	alice, bob := newKeys(t, random), newKeys(t, random)
	inner := innerOf(alice, "x")
	unknown := inner
	unknown.Kind = ciphertext.Sealed
	for name, test := range map[string]struct {
		random    io.Reader
		sender    x25519.KeyPair
		recipient x25519.PublicKey
		inner     Inner
		want      error
	}{
		"another's name":              {random, bob, alice.Public, inner, ErrSender},
		"a kind without a number":     {random, alice, bob.Public, unknown, ErrMalformed},
		"a recipient that is no key":  {random, alice, x25519.PublicKey{}, inner, x25519.ErrLowOrder},
		"too little randomness":       {strings.NewReader("x"), alice, bob.Public, inner, io.ErrUnexpectedEOF},
		"no randomness for a request": {strings.NewReader(""), alice, bob.Public, inner, io.EOF},
	} {
		if _, err := Seal(test.random, test.sender, test.recipient, test.inner); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

// A message with any changed byte does not open.
func TestOpenRefusesEveryChange(t *testing.T) {
	random := testRandom(t)
	alice, bob := newKeys(t, random), newKeys(t, random)
	sealed, err := Seal(random, alice, bob.Public, innerOf(alice, "x"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		changed := slices.Clone(sealed)
		changed[i] ^= 1
		if inner, err := Open(bob, changed); err == nil {
			t.Errorf("byte %d changed: opened to %v", i, inner)
		}
		if inner, err := Open(bob, sealed[:i]); err == nil {
			t.Errorf("cut to %d bytes: opened to %v", i, inner)
		}
	}
	if _, err := Open(alice, sealed); !errors.Is(err, ErrDecrypt) {
		t.Errorf("another recipient: %v", err)
	}
}

// sealForged is Seal with any inner plaintext and any claimed static key.
func sealForged(
	t *testing.T,
	sender x25519.KeyPair,
	recipient x25519.PublicKey,
	encodedStatic, plaintext []byte,
) []byte {
	t.Helper()
	ephemeral := newKeys(t, testRandom(t))
	outer, chain, err := ephemeralKeys(ephemeral, recipient, recipient, ephemeral.Public)
	if err != nil {
		t.Fatal(err)
	}
	static, err := outer.encrypt(encodedStatic)
	if err != nil {
		t.Fatal(err)
	}
	inmost, err := staticKeys(sender, recipient, chain, static)
	if err != nil {
		t.Fatal(err)
	}
	message, err := inmost.encrypt(plaintext)
	if err != nil {
		t.Fatal(err)
	}
	sealed := fields.AppendBytes([]byte{version}, fieldEphemeralPublic, ephemeral.Public.Encoded())
	sealed = fields.AppendBytes(sealed, fieldEncryptedStatic, static)
	return fields.AppendBytes(sealed, fieldEncryptedMessage, message)
}

// Mallory controls the plaintext inside her encryption, but cannot claim to be Alice.
func TestOpenRefusesForgeries(t *testing.T) {
	random := testRandom(t)
	alice, bob, mallory := newKeys(t, random), newKeys(t, random), newKeys(t, random)
	proper := marshal(t, innerOf(mallory, "x"))
	noName := fields.AppendVarint(nil, fieldType, typeMessage)
	for name, test := range map[string]struct {
		static, plaintext []byte
		want              error
	}{
		"the name of another in the certificate": {
			mallory.Public.Encoded(), marshal(t, innerOf(alice, "x")), ErrSender,
		},
		"the key of another":       {alice.Public.Encoded(), marshal(t, innerOf(alice, "x")), ErrDecrypt},
		"a low-order key":          {x25519.PublicKey{}.Encoded(), proper, ErrDecrypt},
		"a key without its prefix": {make([]byte, x25519.EncodedSize), proper, ErrMalformed},
		"a key of another length":  {mallory.Public[:], proper, ErrMalformed},
		"no protobuf inside":       {mallory.Public.Encoded(), []byte{0xff}, ErrMalformed},
		"no type":                  {mallory.Public.Encoded(), nil, ErrMalformed},
		"no certificate":           {mallory.Public.Encoded(), noName, ErrMalformed},
	} {
		sealed := sealForged(t, mallory, bob.Public, test.static, test.plaintext)
		if inner, err := Open(bob, sealed); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, %v, want %v", name, inner, err, test.want)
		}
	}
	if _, err := Open(bob, sealForged(t, mallory, bob.Public, mallory.Public.Encoded(), proper)); err != nil {
		t.Errorf("the truth: %v", err)
	}
}

func TestOpenRefusesShapes(t *testing.T) {
	bob := newKeys(t, testRandom(t))
	lowOrder := fields.AppendBytes([]byte{version}, fieldEphemeralPublic, x25519.PublicKey{}.Encoded())
	lowOrder = fields.AppendBytes(lowOrder, fieldEncryptedStatic, make([]byte, staticSize))
	for name, test := range map[string]struct {
		data []byte
		want error
	}{
		"nothing":                   {nil, ErrMalformed},
		"a later version":           {[]byte{0x22}, ErrMalformed},
		"a version alone":           {[]byte{version}, ErrMalformed},
		"no protobuf":               {[]byte{version, 0xff}, ErrMalformed},
		"a low-order ephemeral key": {lowOrder, ErrDecrypt},
	} {
		if _, err := Open(bob, test.data); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

// FuzzOpen gives Open any bytes, and any plaintext encrypted with a valid key.
func FuzzOpen(f *testing.F) {
	random := testRandom(f)
	alice, bob := newKeys(f, random), newKeys(f, random)
	sealed, err := Seal(random, alice, bob.Public, innerOf(alice, "x"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(marshal(f, innerOf(alice, "x")))
	f.Fuzz(func(t *testing.T, data []byte) {
		if inner, err := Open(bob, data); err == nil && !bytes.Equal(data, sealed) {
			// Only other encodings of the same protobuf may open, with the same content.
			if !reflect.DeepEqual(inner, innerOf(alice, "x")) {
				t.Fatalf("forged message opened to %v", inner)
			}
		}
		inner, err := Open(bob, sealForged(t, alice, bob.Public, alice.Public.Encoded(), data))
		if err != nil {
			return
		}
		resealed, err := Seal(testRandom(t), alice, bob.Public, inner)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Open(bob, resealed); err != nil || again.Kind != inner.Kind ||
			!bytes.Equal(again.Content, inner.Content) {
			t.Fatalf("%v became %v, %v", inner, again, err)
		}
	})
}

// The recipient makes, without the sender's private key, the bytes that the sender would have made.
func TestForgedMessageIsTheSame(t *testing.T) {
	random := testRandom(t)
	alice, bob := newKeys(t, random), newKeys(t, random)
	inner := innerOf(alice, "what alice never said")
	sealed, err := Seal(rand.NewChaCha8([32]byte{1}), alice, bob.Public, inner)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := Forge(rand.NewChaCha8([32]byte{1}), alice.Public, bob, inner)
	if err != nil || !bytes.Equal(forged, sealed) {
		t.Errorf("forged %x, %v, want %x", forged, err, sealed)
	}
	if got, err := Open(bob, forged); err != nil || !reflect.DeepEqual(got, inner) {
		t.Errorf("opened to %v, %v", got, err)
	}
	if _, err := Forge(random, alice.Public, bob, innerOf(bob, "x")); !errors.Is(err, ErrSender) {
		t.Errorf("with another name inside: %v", err)
	}
}
