package sealed

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

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
	return Inner{Type: Message, Sender: sessionid.FromPublicKey(sender.Public), Content: []byte(content)}
}

func TestSealAndOpen(t *testing.T) {
	random := testRandom(t)
	alice, bob := newKeys(t, random), newKeys(t, random)
	for _, kind := range []Type{PreKeyMessage, Message, FriendRequest} {
		t.Run(kind.String(), func(t *testing.T) {
			inner := innerOf(alice, "x")
			inner.Type = kind
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
	unknown.Type = 4
	for name, test := range map[string]struct {
		random    io.Reader
		sender    x25519.KeyPair
		recipient x25519.PublicKey
		inner     Inner
		want      error
	}{
		"another's name":              {random, bob, alice.Public, inner, ErrSender},
		"an unknown type":             {random, alice, bob.Public, unknown, ErrMalformed},
		"a recipient that is no key":  {random, alice, x25519.PublicKey{}, inner, x25519.ErrLowOrder},
		"too little randomness":       {strings.NewReader("x"), alice, bob.Public, inner, io.ErrUnexpectedEOF},
		"no randomness for a request": {strings.NewReader(""), alice, bob.Public, inner, io.EOF},
	} {
		if _, err := Seal(test.random, test.sender, test.recipient, test.inner); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

// Every single bit counts: whatever is changed, nothing opens.
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

// sealForged is Seal with any inner plaintext and any claim about the sender's key.
func sealForged(t *testing.T, sender x25519.KeyPair, recipient x25519.PublicKey, encodedStatic, plaintext []byte) []byte {
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

// Mallory can say anything inside her own encryption, but not that she is Alice.
func TestOpenRefusesForgeries(t *testing.T) {
	random := testRandom(t)
	alice, bob, mallory := newKeys(t, random), newKeys(t, random), newKeys(t, random)
	proper := innerOf(mallory, "x").marshal()
	noName := fields.AppendVarint(nil, fieldType, uint64(Message))
	for name, test := range map[string]struct {
		static, plaintext []byte
		want              error
	}{
		"the name of another in the certificate": {mallory.Public.Encoded(), innerOf(alice, "x").marshal(), ErrSender},
		"the key of another":                     {alice.Public.Encoded(), innerOf(alice, "x").marshal(), ErrDecrypt},
		"a low-order key":                        {x25519.PublicKey{}.Encoded(), proper, ErrDecrypt},
		"a key without its prefix":               {make([]byte, x25519.EncodedSize), proper, ErrMalformed},
		"a key of another length":                {mallory.Public[:], proper, ErrMalformed},
		"no protobuf inside":                     {mallory.Public.Encoded(), []byte{0xff}, ErrMalformed},
		"no type":                                {mallory.Public.Encoded(), nil, ErrMalformed},
		"no certificate":                         {mallory.Public.Encoded(), noName, ErrMalformed},
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

func TestFriendRequestBothWays(t *testing.T) {
	random := testRandom(t)
	alice, bob := newKeys(t, random), newKeys(t, random)
	for size := range 40 {
		plaintext := bytes.Repeat([]byte{16}, size) // bytes that look like padding
		data, err := EncryptFriendRequest(random, alice, bob.Public, plaintext)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := DecryptFriendRequest(bob, alice.Public, data); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: %x, %v", size, got, err)
		}
		if got, err := DecryptFriendRequest(alice, bob.Public, data); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes, by the sender: %x, %v", size, got, err)
		}
	}
}

func TestFriendRequestRefuses(t *testing.T) {
	random := testRandom(t)
	alice, bob := newKeys(t, random), newKeys(t, random)
	data, err := EncryptFriendRequest(random, alice, bob.Public, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string][]byte{
		"nothing":           nil,
		"an IV alone":       data[:16],
		"a block too short": data[:31],
		"no whole blocks":   append(slices.Clone(data), 0),
	} {
		if _, err := DecryptFriendRequest(bob, alice.Public, wrong); !errors.Is(err, ErrDecrypt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// One wrong key in 256 would give proper padding by chance; this one does not.
	if _, err := DecryptFriendRequest(bob, newKeys(t, random).Public, data); !errors.Is(err, ErrDecrypt) {
		t.Errorf("another sender: %v", err)
	}
	if _, err := DecryptFriendRequest(bob, x25519.PublicKey{}, data); !errors.Is(err, ErrDecrypt) {
		t.Errorf("a sender that is no key: %v", err)
	}
	if _, err := EncryptFriendRequest(random, alice, x25519.PublicKey{}, nil); !errors.Is(err, x25519.ErrLowOrder) {
		t.Errorf("a recipient that is no key: %v", err)
	}
	if _, err := EncryptFriendRequest(strings.NewReader("x"), alice, bob.Public, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("no randomness: %v", err)
	}
}

func TestPaddingLength(t *testing.T) {
	for name, test := range map[string]struct {
		block []byte
		want  int // 0 for wrong padding
	}{
		"one":                   {[]byte("fifteen bytes..\x01"), 1},
		"two":                   {[]byte("fourteen bytes\x02\x02"), 2},
		"a whole block":         {bytes.Repeat([]byte{16}, 16), 16},
		"zero":                  {make([]byte, 16), 0},
		"more than a block":     {bytes.Repeat([]byte{17}, 16), 0},
		"more than any":         {bytes.Repeat([]byte{255}, 16), 0},
		"not all the same":      {[]byte("fourteen bytes\x01\x02"), 0},
		"the first one differs": {append([]byte{15}, bytes.Repeat([]byte{16}, 15)...), 0},
	} {
		got, ok := paddingLength(append([]byte("a block before.."), test.block...))
		if ok != (test.want != 0) || ok && got != test.want {
			t.Errorf("%s: %d, %v, want %d", name, got, ok, test.want)
		}
	}
}

func TestNamesOfTypes(t *testing.T) {
	if got := Type(9).String(); got != "type 9" {
		t.Errorf("got %s", got)
	}
}

// FuzzOpen gives Open anything, and anything that a holder of a key can put inside.
func FuzzOpen(f *testing.F) {
	random := testRandom(f)
	alice, bob := newKeys(f, random), newKeys(f, random)
	sealed, err := Seal(random, alice, bob.Public, innerOf(alice, "x"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(innerOf(alice, "x").marshal())
	f.Fuzz(func(t *testing.T, data []byte) {
		if inner, err := Open(bob, data); err == nil && !bytes.Equal(data, sealed) {
			// Only other encodings of the same protobuf may open; they hold the same.
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
		if again, err := Open(bob, resealed); err != nil || again.Type != inner.Type || !bytes.Equal(again.Content, inner.Content) {
			t.Fatalf("%v became %v, %v", inner, again, err)
		}
	})
}

// FuzzDecryptFriendRequest: whatever decrypts is a ciphertext that encrypting gives again.
func FuzzDecryptFriendRequest(f *testing.F) {
	random := testRandom(f)
	alice, bob := newKeys(f, random), newKeys(f, random)
	data, err := EncryptFriendRequest(random, alice, bob.Public, []byte("hello"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		plaintext, err := DecryptFriendRequest(bob, alice.Public, data)
		if err != nil {
			return
		}
		again, err := EncryptFriendRequest(bytes.NewReader(data[:16]), alice, bob.Public, plaintext)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x became %x, %v", data, again, err)
		}
	})
}
