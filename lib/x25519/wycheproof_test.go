package x25519

import (
	"bytes"
	"slices"
	"testing"

	"sessiontool/lib/wycheproof"
)

// Cases with a shared secret of zero have a public key of low order, and give ErrLowOrder. All other cases agree.
func TestWycheproofX25519(t *testing.T) {
	wycheproof.Each(t, "x25519_test.json", func(t *testing.T, _ wycheproof.Group, c wycheproof.Case) bool {
		secret, err := PrivateKey(c.Private).DH(PublicKey(c.Public))
		if zero := bytes.Equal(c.Shared, make([]byte, Size)); zero {
			if err == nil || !slices.Contains(c.Flags, "LowOrderPublic") {
				t.Errorf("case %d (%s): error %v for a secret of zero, flags %v", c.ID, c.Comment, err, c.Flags)
			}
		} else if err != nil || !bytes.Equal(secret[:], c.Shared) {
			t.Errorf("case %d (%s): %x, %v", c.ID, c.Comment, secret, err)
		}
		return true
	})
}
