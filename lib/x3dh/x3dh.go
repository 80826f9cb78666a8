// Package x3dh is the Extended Triple Diffie-Hellman key agreement (X3DH) in the form that Session's clients
// use: prekeys, prekey bundles, and the root key that two parties derive from them (signal-2020.md sections 6 and 7).
//
// It promises that both sides of one agreement get the same root key, that no root key comes from a bundle whose
// signature was not checked, and that neither a root key nor a private prekey prints itself. It is pure:
// randomness and times are passed in.
package x3dh

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"

	"sessiontool/lib/x25519"
)

// SecretSize is the length of a Secret in bytes.
const SecretSize = 32

// info binds derived keys to this use (X3DH, section 2.2).
const info = "WhisperText"

// Secret is what both parties agree on: SK of the X3DH paper, the first root key of the Double Ratchet.
type Secret [SecretSize]byte

// String returns a placeholder.
func (s Secret) String() string { return "x3dh.Secret(redacted)" }

// Format prints a placeholder whatever the verb is.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// Initiate is Alice's side: from her identity key IKa, her ephemeral key EKa (base, used for this agreement alone) and
// Bob's bundle it computes the secret (X3DH, section 3.3). It returns ErrSignature if the signature of the signed
// prekey is wrong, and x25519.ErrLowOrder wrapped if a key of the bundle is of low order.
func Initiate(identity, base x25519.KeyPair, bundle Bundle) (Secret, error) {
	if err := bundle.Verify(); err != nil {
		return Secret{}, err
	}
	exchanges := []exchange{
		{identity, bundle.SignedPrekey}, // DH1
		{base, bundle.IdentityKey},      // DH2
		{base, bundle.SignedPrekey},     // DH3
	}
	if bundle.OneTimePrekey != nil {
		exchanges = append(exchanges, exchange{base, *bundle.OneTimePrekey}) // DH4
	}
	return agree(exchanges)
}

// Respond is Bob's side: from his identity key IKb, his signed prekey SPKb, the one-time prekey OPKb that Alice's message
// names (nil if none) and her keys IKa (theirIdentity) and EKa (theirBase) it computes the secret (X3DH, section 3.4).
// It returns x25519.ErrLowOrder wrapped if one of her keys is of low order.
func Respond(identity, signed x25519.KeyPair, oneTime *x25519.KeyPair, theirIdentity, theirBase x25519.PublicKey) (Secret, error) {
	exchanges := []exchange{
		{signed, theirIdentity}, // DH1
		{identity, theirBase},   // DH2
		{signed, theirBase},     // DH3
	}
	if oneTime != nil {
		exchanges = append(exchanges, exchange{*oneTime, theirBase}) // DH4
	}
	return agree(exchanges)
}

// exchange is one Diffie-Hellman function of the agreement.
type exchange struct {
	own    x25519.KeyPair
	theirs x25519.PublicKey
}

// agree is KDF(DH1 || DH2 || DH3 [|| DH4]).
func agree(exchanges []exchange) (Secret, error) {
	master, err := masterSecret(exchanges)
	if err != nil {
		return Secret{}, err
	}
	defer clear(master)
	return deriveSecret(master)
}

// masterSecret is the input of the KDF: 32 bytes FF, which no encoding of a curve point has (X3DH, section 2.2),
// then the results of the exchanges in their order.
func masterSecret(exchanges []exchange) ([]byte, error) {
	master := make([]byte, x25519.Size, x25519.Size*(1+len(exchanges)))
	for i := range master {
		master[i] = 0xff
	}
	for i, e := range exchanges {
		shared, err := e.own.DH(e.theirs)
		if err != nil {
			clear(master)
			return nil, fmt.Errorf("key agreement DH%d: %w", i+1, err)
		}
		master = append(master, shared[:]...)
	}
	return master, nil
}

// deriveSecret takes the first 32 bytes of HKDF-SHA256 with a salt of 32 zero bytes.
func deriveSecret(master []byte) (Secret, error) {
	key, err := hkdf.Key(sha256.New, master, make([]byte, sha256.Size), info, SecretSize)
	if err != nil {
		return Secret{}, fmt.Errorf("deriving the root key: %w", err)
	}
	defer clear(key)
	return Secret(key), nil
}
