package onion

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"slices"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"sessiontool/lib/wycheproof"
)

func TestWycheproofAESGCM(t *testing.T) {
	testLayer(t, "aes_gcm_test.json", func(key []byte) (cipher.AEAD, error) {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	})
}

func TestWycheproofXChaCha20(t *testing.T) {
	testLayer(t, "xchacha20_poly1305_test.json", chacha20poly1305.NewX)
}

// testLayer opens and seals the cases that have the form of a layer: a key of 32 bytes, a nonce and a tag of the
// cipher's size, and no additional data.
func testLayer(t *testing.T, name string, newCipher func([]byte) (cipher.AEAD, error)) {
	wycheproof.Each(t, name, func(t *testing.T, group wycheproof.Group, c wycheproof.Case) bool {
		if len(c.Key) != 32 || len(c.AAD) != 0 {
			return false
		}
		aead, err := newCipher(c.Key)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.IV) != aead.NonceSize() || len(c.Tag) != aead.Overhead() {
			return false
		}
		sealed := slices.Concat(c.IV, c.CT, c.Tag)
		plaintext, err := open(aead, sealed)
		if (err == nil) != (c.Result == wycheproof.Valid) || err == nil && !bytes.Equal(plaintext, c.Msg) {
			t.Errorf("case %d (%s): %x, %v; the result is %s", c.ID, c.Comment, plaintext, err, c.Result)
		}
		if c.Result != wycheproof.Valid {
			return true
		}
		if made, err := seal(bytes.NewReader(c.IV), aead, c.Msg); err != nil || !bytes.Equal(made, sealed) {
			t.Errorf("case %d (%s): sealed as %x, %v", c.ID, c.Comment, made, err)
		}
		return true
	})
}
