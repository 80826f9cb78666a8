package aescbc

import (
	"bytes"
	"crypto/aes"
	"testing"

	"sessiontool/lib/wycheproof"
)

func TestWycheproofAESCBC(t *testing.T) {
	wycheproof.Each(t, "aes_cbc_pkcs5_test.json", func(t *testing.T, _ wycheproof.Group, c wycheproof.Case) bool {
		block, err := aes.NewCipher(c.Key)
		if err != nil {
			t.Fatal(err)
		}
		plaintext, err := Decrypt(block, c.IV, c.CT)
		if (err == nil) != (c.Result == wycheproof.Valid) || err == nil && !bytes.Equal(plaintext, c.Msg) {
			t.Errorf("case %d (%s): %x, %v; the result is %s", c.ID, c.Comment, plaintext, err, c.Result)
		}
		if c.Result == wycheproof.Valid && !bytes.Equal(Append(nil, block, c.IV, c.Msg), c.CT) {
			t.Errorf("case %d (%s): another ciphertext", c.ID, c.Comment)
		}
		return true
	})
}
