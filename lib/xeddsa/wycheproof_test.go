package xeddsa

import (
	"crypto/ed25519"
	"testing"

	"sessiontool/lib/wycheproof"
)

func TestWycheproofEd25519(t *testing.T) {
	wycheproof.Each(t, "ed25519_test.json", func(t *testing.T, group wycheproof.Group, c wycheproof.Case) bool {
		accepted := len(c.Sig) == SignatureSize && VerifyStrict(
			[ed25519.PublicKeySize]byte(group.PublicKey.PK), c.Msg, [SignatureSize]byte(c.Sig))
		if accepted != (c.Result == wycheproof.Valid) {
			t.Errorf("case %d (%s): accepted is %v, the result is %s %v", c.ID, c.Comment, accepted, c.Result, c.Flags)
		}
		return true
	})
}
