// Package x3dh is Extended Triple Diffie-Hellman (X3DH, signal.org/docs/specifications/x3dh), the key agreement that
// starts a session: signed prekeys, one-time prekeys, prekey bundles, and the root key that both parties derive
// (signal-2020.md sections 6 and 7).
//
// It promises that both sides of an agreement derive the same root key, that [Initiate] verifies the signature of a
// bundle before it derives a root key, and that no root key and no private prekey prints itself. It is pure: randomness
// and times are passed in.
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

// info binds the derived key to the application (X3DH, section 2.2).
const info = "WhisperText"

// Secret is the shared secret of an agreement: SK of the X3DH paper, the first root key of the Double Ratchet.
type Secret [SecretSize]byte

// String returns a placeholder.
func (s Secret) String() string { return "x3dh.Secret(redacted)" }

// Format prints a placeholder for every verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// Initiate computes the secret on Alice's side from her identity key IKa, her ephemeral key EKa and Bob's bundle (X3DH,
// section 3.3). The ephemeral key must be fresh. Initiate returns ErrSignature if the signature of the signed prekey is
// wrong, and x25519.ErrLowOrder, wrapped, if a key of the bundle is of low order.
func Initiate(identity, ephemeral x25519.KeyPair, bundle Bundle) (Secret, error) {
	if err := bundle.Verify(); err != nil {
		return Secret{}, err
	}
	exchanges := []exchange{
		{identity, bundle.SignedPrekey},  // DH1
		{ephemeral, bundle.IdentityKey},  // DH2
		{ephemeral, bundle.SignedPrekey}, // DH3
	}
	if bundle.OneTimePrekey != nil {
		exchanges = append(exchanges, exchange{ephemeral, *bundle.OneTimePrekey}) // DH4
	}
	return agree(exchanges)
}

// Respond computes the secret on Bob's side from his identity key IKb, his signed prekey SPKb, his one-time prekey
// OPKb, and Alice's identity key IKa and ephemeral key EKa (X3DH, section 3.4). Alice's message names the two prekeys.
// oneTime is nil if it names none. Respond returns x25519.ErrLowOrder, wrapped, if one of Alice's keys is of low order.
func Respond(
	identity, signed x25519.KeyPair,
	oneTime *x25519.KeyPair,
	theirIdentity, theirEphemeral x25519.PublicKey,
) (Secret, error) {
	exchanges := []exchange{
		{signed, theirIdentity},    // DH1
		{identity, theirEphemeral}, // DH2
		{signed, theirEphemeral},   // DH3
	}
	if oneTime != nil {
		exchanges = append(exchanges, exchange{*oneTime, theirEphemeral}) // DH4
	}
	return agree(exchanges)
}

// exchange is one Diffie-Hellman computation of the agreement.
type exchange struct {
	own    x25519.KeyPair
	theirs x25519.PublicKey
}

// agree returns KDF(DH1 || DH2 || DH3 [|| DH4]).
func agree(exchanges []exchange) (Secret, error) {
	master, err := masterSecret(exchanges)
	if err != nil {
		return Secret{}, err
	}
	defer clear(master)
	return deriveSecret(master)
}

// masterSecret returns the input of the KDF: 32 bytes FF, which are no encoding of a curve point (X3DH, section 2.2),
// then the results of the exchanges in order.
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

// deriveSecret returns the first 32 bytes of HKDF-SHA256 with a salt of 32 zero bytes.
func deriveSecret(master []byte) (Secret, error) {
	key, err := hkdf.Key(sha256.New, master, make([]byte, sha256.Size), info, SecretSize)
	if err != nil {
		return Secret{}, fmt.Errorf("deriving the root key: %w", err)
	}
	defer clear(key)
	return Secret(key), nil
}
