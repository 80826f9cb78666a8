package x3dh

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"testing"

	"sessiontool/lib/wycheproof"
)

// The key derivation of X3DH is the standard library's HKDF: all cases apply to it.
func TestWycheproofHKDF(t *testing.T) {
	wycheproof.Each(t, "hkdf_sha256_test.json", func(t *testing.T, _ wycheproof.Group, c wycheproof.Case) bool {
		key, err := hkdf.Key(sha256.New, c.IKM, c.Salt, string(c.Info), c.Size)
		if (err == nil) != (c.Result == wycheproof.Valid) || err == nil && !bytes.Equal(key, c.OKM) {
			t.Errorf("case %d (%s): %x, %v; the result is %s", c.ID, c.Comment, key, err, c.Result)
		}
		return true
	})
}
