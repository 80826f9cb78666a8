package accountkeys

import (
	"bytes"
	"crypto/mlkem"
	"testing"

	"sessiontool/lib/wycheproof"
	"sessiontool/lib/x25519"
)

// anyX is an X25519 key that may stand beside the ML-KEM key of a case.
var anyX = x25519.NewKeyPair(x25519.PrivateKey{1}).Public

// keyOf makes a key pair of an ML-KEM seed.
func keyOf(t *testing.T, seed []byte) *Key {
	t.Helper()
	kem, err := mlkem.NewDecapsulationKey768(seed)
	if err != nil {
		t.Fatal(err)
	}
	return &Key{kem: kem, public: newPublic(anyX, kem.EncapsulationKey())}
}

func TestWycheproofMLKEMKeys(t *testing.T) {
	wycheproof.Each(t, "mlkem_768_keygen_seed_test.json",
		func(t *testing.T, _ wycheproof.Group, c wycheproof.Case) bool {
			if public := keyOf(t, c.Seed).Public().KEM(); !bytes.Equal(public[:], c.EK) {
				t.Errorf("case %d (%s): another public key", c.ID, c.Comment)
			}
			return true
		})
}

func TestWycheproofMLKEMDecapsulate(t *testing.T) {
	wycheproof.Each(t, "mlkem_768_test.json", func(t *testing.T, _ wycheproof.Group, c wycheproof.Case) bool {
		if len(c.Seed) != mlkem.SeedSize || len(c.C) != CiphertextSize {
			return false // our types have no room for other lengths
		}
		secret := keyOf(t, c.Seed).Decapsulate((*[CiphertextSize]byte)(c.C))
		if c.Result != wycheproof.Valid || !bytes.Equal(secret[:], c.Secret) {
			t.Errorf("case %d (%s): the result is %s", c.ID, c.Comment, c.Result)
		}
		return true
	})
}

// A public key with a coefficient that is not reduced, or of another length, is refused before anything is sealed.
func TestWycheproofMLKEMPublicKeys(t *testing.T) {
	wycheproof.Each(t, "mlkem_768_encaps_test.json", func(t *testing.T, _ wycheproof.Group, c wycheproof.Case) bool {
		_, err := NewPublic(anyX, c.EK)
		if (err == nil) != (c.Result == wycheproof.Valid) {
			t.Errorf("case %d (%s): %v; the result is %s %v", c.ID, c.Comment, err, c.Result, c.Flags)
		}
		return true
	})
}
