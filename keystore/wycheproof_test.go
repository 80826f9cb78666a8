package keystore

import (
	"bytes"
	"slices"
	"testing"

	"sessiontool/lib/wycheproof"
)

func TestWycheproofXChaCha20Poly1305(t *testing.T) {
	wycheproof.Each(t, "xchacha20_poly1305_test.json", func(t *testing.T, _ wycheproof.Group, c wycheproof.Case) bool {
		if len(c.IV) != nonceSize {
			return false
		}
		aead := secret(c.Key).aead()
		plaintext, err := aead.Open(nil, c.IV, slices.Concat(c.CT, c.Tag), c.AAD)
		if (err == nil) != (c.Result == wycheproof.Valid) || err == nil && !bytes.Equal(plaintext, c.Msg) {
			t.Errorf("case %d (%s): %x, %v; the result is %s", c.ID, c.Comment, plaintext, err, c.Result)
		}
		return true
	})
}

func TestWycheproofHMAC(t *testing.T) {
	wycheproof.Each(t, "hmac_sha256_test.json", func(t *testing.T, _ wycheproof.Group, c wycheproof.Case) bool {
		if len(c.Key) != 32 || len(c.Tag) != 32 {
			return false
		}
		derived := secret(c.Key).derive(string(c.Msg))
		if bytes.Equal(derived[:], c.Tag) != (c.Result == wycheproof.Valid) {
			t.Errorf("case %d (%s): the result is %s", c.ID, c.Comment, c.Result)
		}
		return true
	})
}
