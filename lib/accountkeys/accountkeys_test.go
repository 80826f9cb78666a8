package accountkeys

import (
	"bytes"
	"crypto/sha3"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"sessiontool/lib/internal/bencode"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
	"sessiontool/lib/xeddsa"
)

// testRandom is an endless stream of bytes that label determines.
func testRandom(label string) io.Reader {
	shake := sha3.NewSHAKE256()
	shake.Write([]byte(label))
	return shake
}

func TestBothSidesOfAKeyAgree(t *testing.T) {
	key := Seed{1}.AccountKey()
	secret, ciphertext, err := key.Public().Encapsulate(testRandom("coins"))
	if err != nil {
		t.Fatal(err)
	}
	if got := key.Decapsulate(&ciphertext); got != secret {
		t.Error("the ML-KEM secrets differ")
	}
	ciphertext[0] ^= 1
	if got := key.Decapsulate(&ciphertext); got == secret {
		t.Error("a changed ciphertext yields the same secret")
	}
	peer := x25519.NewKeyPair(x25519.PrivateKey{7})
	ours, err := key.Agree(peer.Public)
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err := peer.DH(key.Public().X25519()); err != nil || theirs != ours {
		t.Errorf("the X25519 secrets differ (%v)", err)
	}
	if _, err := key.Agree(x25519.PublicKey{1}); !errors.Is(err, x25519.ErrLowOrder) {
		t.Errorf("a peer of low order: %v", err)
	}
	if _, _, err := key.Public().Encapsulate(bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("31 bytes of randomness were enough")
	}
	if device := (Seed{1}).DeviceKey().Public(); device.Equal(key.Public()) {
		t.Error("one seed gives the same account key and device key")
	}
}

func TestUnusablePublicKeysAreRefused(t *testing.T) {
	good := Seed{1}.AccountKey().Public()
	m := good.KEM()
	if again, err := NewPublic(good.X25519(), m[:]); err != nil || !again.Equal(good) {
		t.Errorf("%v, %v", again, err)
	}
	beyond := m
	beyond[0], beyond[1] = 0xff, 0xff // a coefficient of 4095 or more: greater than the modulus 3329
	for name, c := range map[string]struct {
		x x25519.PublicKey
		m []byte
	}{
		"x of zero": {x25519.PublicKey{}, m[:]}, "x of order 4": {x25519.PublicKey{1}, m[:]},
		"short m": {good.X25519(), m[1:]}, "long m": {good.X25519(), append(m[:], 0)},
		"unreduced m": {good.X25519(), beyond[:]},
	} {
		if key, err := NewPublic(c.x, c.m); !errors.Is(err, ErrPublicKey) || !key.IsZero() {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
}

func TestPublishedKeysAreOfTheirOwner(t *testing.T) {
	owner, other := sessionid.KeysFromSeed(sessionid.Seed{1}), sessionid.KeysFromSeed(sessionid.Seed{2})
	key := Seed{1}.AccountKey().Public()
	message, err := Publish(testRandom("z"), owner, key)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParsePublished(owner.ID(), message); err != nil || !got.Equal(key) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := ParsePublished(other.ID(), message); !errors.Is(err, ErrPublished) {
		t.Errorf("as another's: %v", err)
	}
	if _, err := Publish(bytes.NewReader(nil), owner, key); !errors.Is(err, io.EOF) {
		t.Errorf("without randomness: %v", err)
	}
	if _, found := LatestPublished(other.ID(), [][]byte{message}); found {
		t.Error("found a key of the wrong owner")
	}
}

// A valid signature of a key that cannot be used, as libsession accepts it, is refused and does not hide an older key.
func TestWeakPublishedKeysAreRefused(t *testing.T) {
	owner := sessionid.KeysFromSeed(sessionid.Seed{1})
	good := Seed{1}.AccountKey().Public()
	message, err := Publish(testRandom("z"), owner, good)
	if err != nil {
		t.Fatal(err)
	}
	lowX := good
	lowX.x = x25519.PublicKey{}
	badM := good
	badM.m = new([KEMPublicSize]byte)
	for i := range badM.m {
		badM.m[i] = 0xff
	}
	for name, key := range map[string]Public{"x": lowX, "m": badM} {
		weak, err := Publish(testRandom("z"), owner, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParsePublished(owner.ID(), weak); !errors.Is(err, ErrPublicKey) {
			t.Errorf("weak %s: %v", name, err)
		}
		if got, found := LatestPublished(owner.ID(), [][]byte{message, weak}); !found || !got.Equal(good) {
			t.Errorf("weak %s: found %t, %v", name, found, got)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	seed := Seed(bytes.Repeat([]byte{0xab}, SeedSize))
	entry := Entry{Seed: seed}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d", "%q"} {
		for _, secret := range []any{seed, &seed, entry, seed.AccountKey(), Hold(entry).Entry} {
			text := fmt.Sprintf(verb, secret)
			if strings.Contains(text, "abab") || strings.Contains(text, "171 171") || strings.Contains(text, "0xab") {
				t.Errorf("%s prints %T: %s", verb, secret, text)
			}
			if !strings.Contains(text, "redacted") {
				t.Errorf("%s of %T does not say that it is redacted: %s", verb, secret, text)
			}
		}
	}
	if _, err := GenerateSeed(bytes.NewReader(seed[1:])); err == nil {
		t.Error("31 bytes of randomness were enough")
	}
	if got, err := GenerateSeed(bytes.NewReader(seed[:])); err != nil || !got.Equal(seed) {
		t.Errorf("%v, %v", got, err)
	}
}

// FuzzParsePublished: whatever the owner signs is refused, or yields a key that is written and read again as the same.
// The fuzzer changes the text and what follows the signature, and the test signs.
func FuzzParsePublished(f *testing.F) {
	owner := sessionid.KeysFromSeed(sessionid.Seed{1})
	message, err := Publish(testRandom("z"), owner, Seed{1}.AccountKey().Public())
	if err != nil {
		f.Fatal(err)
	}
	signed := message[:len(message)-len("1:~64:")-64-1]
	f.Add(signed, []byte("e"))
	f.Add(append([]byte("d0:1:x"), signed[1:]...), []byte("garbage"))
	f.Fuzz(func(t *testing.T, signed, behind []byte) {
		signature, err := xeddsa.SignPositive(testRandom("fuzz"), owner.X25519.Private, signed)
		if err != nil {
			t.Fatal(err)
		}
		text := append(bencode.AppendPair(bytes.Clone(signed), signatureKey, signature[:]), behind...)
		key, err := ParsePublished(owner.ID(), text)
		if err != nil {
			if !errors.Is(err, ErrPublished) && !errors.Is(err, ErrPublicKey) {
				t.Fatal(err)
			}
			return
		}
		written, err := Publish(testRandom("again"), owner, key)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParsePublished(owner.ID(), written); err != nil || !again.Equal(key) {
			t.Fatalf("%v became %v: %v", key, again, err)
		}
	})
}

func ExamplePublish() {
	owner := sessionid.KeysFromSeed(sessionid.Seed{1})
	key := Seed{2}.AccountKey()

	message, err := Publish(testRandom("example"), owner, key.Public())
	if err != nil {
		fmt.Println(err)
	}
	published, err := ParsePublished(owner.ID(), message)
	fmt.Println(len(message), published.Equal(key.Public()), err)
	// Output: 1302 true <nil>
}
