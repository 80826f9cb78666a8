package friendrequest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

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

func TestEncryptAndDecrypt(t *testing.T) {
	random := testRandom(t)
	alice, bob := newKeys(t, random), newKeys(t, random)
	for size := range 40 {
		plaintext := bytes.Repeat([]byte{16}, size) // bytes that look like padding
		data, err := Encrypt(random, alice, bob.Public, plaintext)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Decrypt(bob, alice.Public, data); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: %x, %v", size, got, err)
		}
		if got, err := Decrypt(alice, bob.Public, data); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes, by the sender: %x, %v", size, got, err)
		}
	}
}

func TestDecryptRefuses(t *testing.T) {
	random := testRandom(t)
	alice, bob := newKeys(t, random), newKeys(t, random)
	data, err := Encrypt(random, alice, bob.Public, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string][]byte{
		"nothing":           nil,
		"an IV alone":       data[:16],
		"a block too short": data[:31],
		"no whole blocks":   append(slices.Clone(data), 0),
	} {
		if _, err := Decrypt(bob, alice.Public, wrong); !errors.Is(err, ErrDecrypt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// One wrong key in 256 would give proper padding by chance; this one does not.
	if _, err := Decrypt(bob, newKeys(t, random).Public, data); !errors.Is(err, ErrDecrypt) {
		t.Errorf("another sender: %v", err)
	}
	if _, err := Decrypt(bob, x25519.PublicKey{}, data); !errors.Is(err, ErrDecrypt) {
		t.Errorf("a sender that is no key: %v", err)
	}
	if _, err := Encrypt(random, alice, x25519.PublicKey{}, nil); !errors.Is(err, x25519.ErrLowOrder) {
		t.Errorf("a recipient that is no key: %v", err)
	}
	if _, err := Encrypt(strings.NewReader("x"), alice, bob.Public, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("no randomness: %v", err)
	}
}

// FuzzDecrypt: every ciphertext that decrypts is what Encrypt makes of the plaintext.
func FuzzDecrypt(f *testing.F) {
	random := testRandom(f)
	alice, bob := newKeys(f, random), newKeys(f, random)
	data, err := Encrypt(random, alice, bob.Public, []byte("hello"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		plaintext, err := Decrypt(bob, alice.Public, data)
		if err != nil {
			return
		}
		again, err := Encrypt(bytes.NewReader(data[:16]), alice, bob.Public, plaintext)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x became %x, %v", data, again, err)
		}
	})
}
