package ratchet

import (
	"bytes"
	"slices"
	"testing"

	"sessiontool/lib/wycheproof"
)

func TestWycheproofHMAC(t *testing.T) {
	wycheproof.Each(t, "hmac_sha256_test.json", func(t *testing.T, _ wycheproof.Group, c wycheproof.Case) bool {
		if len(c.Key) != 32 || len(c.Msg) > maxShortMessage || len(c.Tag) != 32 {
			return false
		}
		tag := shortHMAC((*key32)(c.Key), c.Msg)
		if bytes.Equal(tag[:], c.Tag) != (c.Result == wycheproof.Valid) {
			t.Errorf("case %d (%s): %x; the result is %s", c.ID, c.Comment, tag, c.Result)
		}
		return true
	})
}

// hkdf96 has one length of input, salt and output. A shorter salt is the same as one that zeros extend (RFC 2104).
func TestWycheproofHKDF(t *testing.T) {
	wycheproof.Each(t, "hkdf_sha256_test.json", func(t *testing.T, _ wycheproof.Group, c wycheproof.Case) bool {
		if len(c.IKM) != 32 || len(c.Salt) > 32 || len(c.Info) > len(messageInfo) || c.Size > 96 ||
			c.Result != wycheproof.Valid {
			return false
		}
		var salt key32
		copy(salt[:], c.Salt)
		output := hkdf96((*key32)(c.IKM), &salt, string(c.Info))
		if joined := slices.Concat(output[0][:], output[1][:], output[2][:]); !bytes.Equal(joined[:c.Size], c.OKM) {
			t.Errorf("case %d (%s): %x", c.ID, c.Comment, joined[:c.Size])
		}
		return true
	})
}
