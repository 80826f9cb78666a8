package v2message

import (
	"crypto/sha3"

	"golang.org/x/crypto/chacha20poly1305"

	"sessiontool/lib/accountkeys"
	"sessiontool/lib/internal/blake2b"
	"sessiontool/lib/x25519"
)

// The key derivation of messages (session-v2.md sections 7 and 8).
const (
	kissPersonal = "Session-Msg-KISS"

	pfsCombiner = `\.//^\` // the label of X-Wing
	pfsLabel    = "SessionV2MessageSS"

	plainCombiner = "SessionV2NonPFS"
	plainLabel    = "SessionV2NonPFSSS"
)

// secret is a shared secret.
type secret = [accountkeys.SecretSize]byte

// secretKeys are the key and the nonce of XChaCha20-Poly1305.
type secretKeys struct {
	key   [chacha20poly1305.KeySize]byte
	nonce [chacha20poly1305.NonceSizeX]byte
}

// kiss returns the mask of the key indicator. Only the ends of shared, the secret of the ephemeral key and of the
// recipient's long-term key, can compute it.
func kiss(shared secret, ephemeral, longTerm x25519.PublicKey) accountkeys.Prefix {
	return accountkeys.Prefix(blake2b.Sum(2, shared[:], kissPersonal, ephemeral[:], longTerm[:]))
}

// xor masks or unmasks a key indicator.
func xor(a, b accountkeys.Prefix) accountkeys.Prefix {
	return accountkeys.Prefix{a[0] ^ b[0], a[1] ^ b[1]}
}

// pfsKeys combines the secrets of ML-KEM and of X25519 with the account key x.
func pfsKeys(kem, dh secret, ephemeral, x x25519.PublicKey) secretKeys {
	return expand(pfsLabel, kem[:], dh[:], ephemeral[:], x[:], []byte(pfsCombiner))
}

// plainKeys derives from the X25519 secret with the long-term key alone.
func plainKeys(dh secret, ephemeral, longTerm x25519.PublicKey) secretKeys {
	return expand(plainLabel, dh[:], longTerm[:], ephemeral[:], []byte(plainCombiner))
}

// expand hashes parts to a secret, and expands it under label.
func expand(label string, parts ...[]byte) (keys secretKeys) {
	combiner := sha3.New256()
	for _, part := range parts {
		combiner.Write(part)
	}
	shake := sha3.NewSHAKE256()
	shake.Write([]byte(label))
	shake.Write(combiner.Sum(nil))
	shake.Read(keys.key[:])
	shake.Read(keys.nonce[:])
	return keys
}
