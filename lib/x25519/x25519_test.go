package x25519

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"sessiontool/lib/internal/vectors"
)

// Both sides of every recorded Diffie-Hellman computation get the recorded secret.
func TestRecordedAgreements(t *testing.T) {
	var recording struct {
		Cases []struct {
			Alice struct {
				IdentityPriv vectors.Hex `json:"identity_priv"`
				IdentityPub  vectors.Hex `json:"identity_pub"`
				BasePriv     vectors.Hex `json:"base_key_priv"`
			} `json:"alice"`
			Bob struct {
				IdentityPriv vectors.Hex `json:"identity_priv"`
				SignedPriv   vectors.Hex `json:"signed_prekey_priv"`
			} `json:"bob"`
			DH1 vectors.Hex `json:"dh1_IKa_SPKb"`
			DH2 vectors.Hex `json:"dh2_EKa_IKb"`
		} `json:"cases"`
	}
	vectors.Load(t, "x3dh.json", &recording)
	for i, c := range recording.Cases {
		identity := NewKeyPair(c.Alice.IdentityPriv.Array32(t))
		if got := identity.Public.Encoded(); !bytes.Equal(got, c.Alice.IdentityPub) {
			t.Errorf("case %d: public key %x, want %x", i, got, c.Alice.IdentityPub)
		}
		base := NewKeyPair(c.Alice.BasePriv.Array32(t))
		bobIdentity, bobSigned := NewKeyPair(c.Bob.IdentityPriv.Array32(t)), NewKeyPair(c.Bob.SignedPriv.Array32(t))
		for _, step := range []struct {
			ours, theirs KeyPair
			want         vectors.Hex
		}{{identity, bobSigned, c.DH1}, {base, bobIdentity, c.DH2}} {
			forth, err := step.ours.Private.DH(step.theirs.Public)
			if err != nil {
				t.Fatal(err)
			}
			back, err := step.theirs.Private.DH(step.ours.Public)
			if err != nil {
				t.Fatal(err)
			}
			if forth != back || !bytes.Equal(forth[:], step.want) {
				t.Errorf("case %d: secrets %x and %x, want %x", i, forth, back, step.want)
			}
		}
	}
}

func TestGenerateKeyClampsWhatItReads(t *testing.T) {
	ones := bytes.Repeat([]byte{0xff}, Size)
	pair, err := GenerateKey(bytes.NewReader(ones))
	if err != nil {
		t.Fatal(err)
	}
	if pair.Private[0] != 0xf8 || pair.Private[31] != 0x7f {
		t.Errorf("first and last byte are %x and %x", pair.Private[0], pair.Private[31])
	}
	if unclamped := PrivateKey(ones).Public(); unclamped != pair.Public {
		t.Error("clamping changed the public key")
	}
	if _, err := GenerateKey(bytes.NewReader(ones[1:])); err == nil {
		t.Error("31 bytes of randomness were enough for a key")
	}
}

func TestEncoded(t *testing.T) {
	pair := NewKeyPair(PrivateKey{1})
	encoded := pair.Public.Encoded()
	parsed, err := ParseEncoded(encoded)
	if err != nil || !parsed.Equal(pair.Public) {
		t.Errorf("%v, %v", parsed, err)
	}
	for _, bad := range [][]byte{nil, encoded[1:], append(encoded, 0), append([]byte{4}, encoded[1:]...)} {
		if _, err := ParseEncoded(bad); !errors.Is(err, ErrEncoding) {
			t.Errorf("%x: %v", bad, err)
		}
	}
}

// With a point of low order the shared secret would be a known value.
func TestLowOrderIsRefused(t *testing.T) {
	for _, point := range lowOrder {
		for _, top := range []byte{0, 0x80} { // the top bit does not count
			point[Size-1] |= top
			if _, err := (PrivateKey{9}).DH(point); !errors.Is(err, ErrLowOrder) || !point.LowOrder() {
				t.Errorf("%s: %v, LowOrder is %t", point, err, point.LowOrder())
			}
		}
	}
	for i := range byte(20) {
		if key := (PrivateKey{i}).Public(); key.LowOrder() {
			t.Errorf("the public key %s counts as of low order", key)
		}
	}
}

func TestPrivateKeysDoNotPrint(t *testing.T) {
	pair := NewKeyPair(PrivateKey(bytes.Repeat([]byte{0xab}, Size)))
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d", "%q"} {
		for _, text := range []string{fmt.Sprintf(verb, pair.Private), fmt.Sprintf(verb, pair),
			fmt.Sprintf(verb, &pair)} {
			if strings.Contains(text, "abab") || strings.Contains(text, "171 171") || strings.Contains(text, "0xab") {
				t.Errorf("%s prints the key: %s", verb, text)
			}
		}
	}
	if got, want := pair.Public.String(), hex.EncodeToString(pair.Public[:]); got != want {
		t.Errorf("public key prints as %s, want %s", got, want)
	}
}

// Kept secrets are those of DH. Those with keys of low order are refused, however often.
func TestKeptDH(t *testing.T) {
	pair := NewKeyPair(PrivateKey{7})
	keeping := pair.Keeping()
	for i := range maxKept + 2 {
		peer := PublicKey{byte(i), byte(i >> 8), 9}
		got, err := keeping.KeptDH(peer)
		if err != nil || len(keeping.kept.shared) > maxKept {
			t.Fatalf("with peer %d: %v, %d secrets are kept", i, err, len(keeping.kept.shared))
		}
		if i > 2 && i < maxKept {
			continue
		}
		want, _ := pair.DH(peer)
		again, err := keeping.KeptDH(peer)
		if got != want || again != want || err != nil {
			t.Errorf("with peer %d: %x, then %x, %v; want %x", i, got, again, err, want)
		}
	}
	if got, err := pair.KeptDH(PublicKey{9}); err != nil || got != PrivateKey([Size]byte(pair.Private)).Public() {
		t.Errorf("a pair that keeps nothing: %x, %v", got, err)
	}
	for range 2 {
		if _, err := keeping.KeptDH(lowOrder[0]); !errors.Is(err, ErrLowOrder) {
			t.Errorf("with a key of low order: %v", err)
		}
	}
}
