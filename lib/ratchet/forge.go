package ratchet

import (
	"fmt"
	"io"

	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

// ForgeInitiator makes a session with owner in the name of another party, from that party's public identity key alone.
// The session encrypts and decrypts like the one that [NewInitiator] makes with the party's private key: no test of its
// messages can distinguish the two. That is deniability, and it is part of the package so that tests keep it.
//
// It takes owner's private keys: a shared secret of X3DH contains no key of the initiator that owner could not replace
// by a private key of its own (X3DH, section 4.4). pretended has the party's public key, and the registration ID in
// messages. It reads from random as NewInitiator does, and returns [x25519.ErrLowOrder] or random's error.
func ForgeInitiator(
	random io.Reader,
	pretended x25519.PublicKey, registrationID uint32,
	owner x25519.KeyPair, signed x3dh.SignedPrekey, oneTime *x3dh.OneTimePrekey,
) (*Session, error) {
	base, err := x25519.GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("base key: %w", err)
	}
	var oneTimePair *x25519.KeyPair
	if oneTime != nil {
		oneTimePair = &oneTime.KeyPair
	}
	secret, err := x3dh.Respond(owner, signed.KeyPair, oneTimePair, pretended, base.Public)
	if err != nil {
		return nil, fmt.Errorf("forging a session: %w", err)
	}
	return initiate(random, pretended, registrationID, base.Public, secret,
		x3dh.NewBundle(owner.Public, signed, oneTime))
}
