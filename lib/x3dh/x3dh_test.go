package x3dh

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/x25519"
	"sessiontool/lib/xeddsa"
)

// recordedCase is one agreement of the real client.
type recordedCase struct {
	Alice struct {
		Identity vectors.Hex `json:"identity_priv"`
		Base     vectors.Hex `json:"base_key_priv"`
	}
	Bob struct {
		Identity       vectors.Hex `json:"identity_priv"`
		SignedPrekeyID uint32      `json:"signed_prekey_id"`
		SignedPrekey   vectors.Hex `json:"signed_prekey_priv"`
		Signature      vectors.Hex `json:"signed_prekey_signature"`
		PrekeyID       *uint32     `json:"prekey_id"`
		Prekey         vectors.Hex `json:"prekey_priv"`
	}
	DH1    vectors.Hex `json:"dh1_IKa_SPKb"`
	DH2    vectors.Hex `json:"dh2_EKa_IKb"`
	DH3    vectors.Hex `json:"dh3_EKa_SPKb"`
	DH4    vectors.Hex `json:"dh4_EKa_OPKb"`
	Master vectors.Hex `json:"master_secret"`
	Root   vectors.Hex `json:"root_key_0"`
}

func pairOf(t *testing.T, private vectors.Hex) x25519.KeyPair {
	return x25519.NewKeyPair(private.Array32(t))
}

// Both sides of every recorded agreement compute the recorded root key and the recorded intermediate values.
func TestVectors(t *testing.T) {
	var recording struct{ Cases []recordedCase }
	vectors.Load(t, "x3dh.json", &recording)
	for i, c := range recording.Cases {
		t.Run(strconv.Itoa(i), func(t *testing.T) { replay(t, c) })
	}
}

func replay(t *testing.T, c recordedCase) {
	alice, base := pairOf(t, c.Alice.Identity), pairOf(t, c.Alice.Base)
	bob := pairOf(t, c.Bob.Identity)
	signed := SignedPrekey{
		ID:        c.Bob.SignedPrekeyID,
		KeyPair:   pairOf(t, c.Bob.SignedPrekey),
		Signature: [SignatureSize]byte(c.Bob.Signature),
	}
	exchanges := []exchange{
		{alice, signed.Public},
		{base, bob.Public},
		{base, signed.Public},
	}
	results := []vectors.Hex{c.DH1, c.DH2, c.DH3}
	var oneTime *OneTimePrekey
	var oneTimePair *x25519.KeyPair
	if c.Bob.PrekeyID != nil {
		oneTime = &OneTimePrekey{ID: *c.Bob.PrekeyID, KeyPair: pairOf(t, c.Bob.Prekey)}
		oneTimePair = &oneTime.KeyPair
		exchanges = append(exchanges, exchange{base, oneTime.Public})
		results = append(results, c.DH4)
	}

	master, err := masterSecret(exchanges)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(master, c.Master) {
		t.Errorf("master secret differs")
	}
	for i, want := range results {
		if got := master[x25519.Size*(i+1):][:x25519.Size]; !bytes.Equal(got, want) {
			t.Errorf("DH%d differs", i+1)
		}
	}

	bundle := NewBundle(bob.Public, signed, oneTime)
	initiated, err := Initiate(alice, base, bundle)
	if err != nil || !bytes.Equal(initiated[:], c.Root) {
		t.Errorf("initiator: root key %x, recorded %x (%v)", initiated[:], []byte(c.Root), err)
	}
	responded, err := Respond(bob, signed.KeyPair, oneTimePair, alice.Public, base.Public)
	if err != nil || !bytes.Equal(responded[:], c.Root) {
		t.Errorf("responder: root key %x, recorded %x (%v)", responded[:], []byte(c.Root), err)
	}
}

// The bundles of the real client verify as recorded. None verifies with a wrong bit.
func TestBundleVectors(t *testing.T) {
	var recording struct {
		Bundles []struct {
			Fields struct {
				IdentityKey, PreKey, SignedKey, Signature vectors.Hex
				PreKeyID, SignedKeyID                     uint32
			}
			SignatureOK   bool        `json:"signature_ok"`
			PrekeyPrivate vectors.Hex `json:"prekey_private"`
			SignedPrivate vectors.Hex `json:"signed_prekey_private"`
		}
	}
	vectors.Load(t, "prekey_bundle.json", &recording)
	for i, b := range recording.Bundles {
		f := b.Fields
		signed := SignedPrekey{
			ID:        f.SignedKeyID,
			KeyPair:   pairOf(t, b.SignedPrivate),
			Signature: [SignatureSize]byte(f.Signature),
		}
		oneTime := OneTimePrekey{ID: f.PreKeyID, KeyPair: pairOf(t, b.PrekeyPrivate)}
		bundle := NewBundle(f.IdentityKey.Array32(t), signed, &oneTime)
		if !bytes.Equal(bundle.SignedPrekey.Encoded(), f.SignedKey) ||
			!bytes.Equal(bundle.OneTimePrekey.Encoded(), f.PreKey) {
			t.Errorf("bundle %d: public prekeys differ", i)
		}
		if err := bundle.Verify(); (err == nil) != b.SignatureOK {
			t.Errorf("bundle %d: %v, recorded %v", i, err, b.SignatureOK)
		}
		bundle.Signature[i%SignatureSize] ^= 1
		if err := bundle.Verify(); !errors.Is(err, ErrSignature) {
			t.Errorf("bundle %d with a wrong signature: %v", i, err)
		}
	}
}

// pair has Alice with an ephemeral key, and Bob with his prekeys.
type pair struct {
	alice, base, bob x25519.KeyPair
	signed           SignedPrekey
	oneTime          OneTimePrekey
}

func newPair(t *testing.T) pair {
	t.Helper()
	random := rand.NewChaCha8([32]byte{1})
	var p pair
	for _, key := range []*x25519.KeyPair{&p.alice, &p.base, &p.bob} {
		generated, err := x25519.GenerateKey(random)
		if err != nil {
			t.Fatal(err)
		}
		*key = generated
	}
	var err error
	if p.signed, err = GenerateSignedPrekey(random, p.bob, 7, time.Unix(1590000000, 0)); err != nil {
		t.Fatal(err)
	}
	if p.oneTime, err = GenerateOneTimePrekey(random, 8); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAgreement(t *testing.T) {
	p := newPair(t)
	if p.signed.ID != 7 || p.oneTime.ID != 8 || !p.signed.CreatedAt.Equal(time.Unix(1590000000, 0)) {
		t.Errorf("prekeys have ids %d and %d", p.signed.ID, p.oneTime.ID)
	}
	if !xeddsa.Verify(p.bob.Public, p.signed.Public.Encoded(), p.signed.Signature) {
		t.Error("the signed prekey's signature does not verify")
	}
	secrets := make(map[Secret]bool)
	for _, oneTime := range []*OneTimePrekey{nil, &p.oneTime} {
		var oneTimePair *x25519.KeyPair
		if oneTime != nil {
			oneTimePair = &oneTime.KeyPair
		}
		ours, err := Initiate(p.alice, p.base, NewBundle(p.bob.Public, p.signed, oneTime))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := Respond(p.bob, p.signed.KeyPair, oneTimePair, p.alice.Public, p.base.Public)
		if err != nil {
			t.Fatal(err)
		}
		if ours != theirs {
			t.Error("the two sides disagree")
		}
		secrets[ours] = true
	}
	if len(secrets) != 2 {
		t.Error("the one-time prekey makes no difference")
	}
}

// Initiate returns no secret for a bundle with a wrong signature.
func TestWrongSignature(t *testing.T) {
	p := newPair(t)
	good := NewBundle(p.bob.Public, p.signed, nil)
	for name, spoil := range map[string]func(*Bundle){
		"signature":     func(b *Bundle) { b.Signature[40] ^= 1 },
		"signed prekey": func(b *Bundle) { b.SignedPrekey = p.base.Public },
		"identity key":  func(b *Bundle) { b.IdentityKey = p.alice.Public },
	} {
		bundle := good
		spoil(&bundle)
		if secret, err := Initiate(p.alice, p.base, bundle); !errors.Is(err, ErrSignature) || secret != (Secret{}) {
			t.Errorf("wrong %s: %v", name, err)
		}
	}
}

// With a key of low order a Diffie-Hellman result would be a known value.
func TestLowOrderKeys(t *testing.T) {
	p := newPair(t)
	bundle := NewBundle(p.bob.Public, p.signed, nil)
	bundle.OneTimePrekey = new(x25519.PublicKey)
	_, err := Initiate(p.alice, p.base, bundle)
	if !errors.Is(err, x25519.ErrLowOrder) || !strings.Contains(err.Error(), "DH4:") {
		t.Errorf("one-time prekey: %v", err)
	}
	_, err = Respond(p.bob, p.signed.KeyPair, nil, x25519.PublicKey{}, p.base.Public)
	if !errors.Is(err, x25519.ErrLowOrder) {
		t.Errorf("their identity: %v", err)
	}
	_, err = Respond(p.bob, p.signed.KeyPair, nil, p.alice.Public, x25519.PublicKey{})
	if !errors.Is(err, x25519.ErrLowOrder) {
		t.Errorf("their base key: %v", err)
	}
}

func TestShortRandomness(t *testing.T) {
	p := newPair(t)
	for n := range 2 * x25519.Size {
		if _, err := GenerateSignedPrekey(bytes.NewReader(make([]byte, n)), p.bob, 1, time.Time{}); err == nil {
			t.Errorf("a signed prekey from %d random bytes", n)
		}
	}
	if _, err := GenerateOneTimePrekey(bytes.NewReader(nil), 1); err == nil {
		t.Error("a one-time prekey from no randomness")
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	p := newPair(t)
	secret, err := Respond(p.bob, p.signed.KeyPair, nil, p.alice.Public, p.base.Public)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if text := fmt.Sprintf(format, secret); !strings.Contains(text, "redacted") {
			t.Errorf("%s prints %s", format, text)
		}
		private := fmt.Sprintf(format, p.signed)
		if strings.Contains(private, fmt.Sprintf("%x", [32]byte(p.signed.Private))) ||
			!strings.Contains(private, "redacted") {
			t.Errorf("%s prints a private prekey", format)
		}
	}
}
