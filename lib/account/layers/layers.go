// Package layers seals and opens what is around the content of a message: padding, sealed sender, the sealed box of
// session-v1, the message of session-v2, and the envelope. It keeps no state. An error that blames a message is an
// [inbox.Failure].
package layers

import (
	"errors"
	"fmt"
	"io"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/ciphertext"
	"sessiontool/lib/envelope"
	"sessiontool/lib/message"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sealedbox"
	"sessiontool/lib/sealedsender"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

// Pack puts a ciphertext of protocol signal into an envelope with the time stamp, in milliseconds: with sealed sender, the
// default of every release, or with a visible sender if plain is set.
func Pack(random io.Reader, from sessionid.Keys, to sessionid.ID, kind ciphertext.Kind, encrypted []byte, stamp int64,
	plain bool) (string, error) {
	env := envelope.Envelope{Kind: kind, TimestampMS: uint64(stamp), Content: encrypted}
	if plain {
		env.Source = from.ID()
		return envelope.Pack(random, env)
	}
	content, err := sealedsender.Seal(random, from.X25519, to.PublicKey(),
		sealedsender.Inner{Kind: kind, Sender: from.ID(), Content: encrypted})
	if err != nil {
		return "", err
	}
	env.Kind, env.Content = ciphertext.Sealed, content
	return envelope.Pack(random, env)
}

// Unseal returns the sender of an envelope, its kind of ciphertext, and the ciphertext. Sealed sender and a sealed box
// look alike from outside, so Unseal tries both. For a sealed box the kind is ciphertext.Sealed, and the bytes
// are the padded content.
func Unseal(keys x25519.KeyPair, env envelope.Envelope) (sessionid.ID, ciphertext.Kind, []byte, error) {
	if env.Kind != ciphertext.Sealed && env.Kind != ciphertext.Group {
		return env.Source, env.Kind, env.Content, nil
	}
	inner, err := sealedsender.Open(keys, env.Content)
	if err != nil {
		padded, sender, boxErr := sealedbox.Open(keys, env.Content)
		if boxErr == nil {
			return sender, ciphertext.Sealed, padded, nil
		}
		if errors.Is(err, sealedsender.ErrMalformed) {
			err = boxErr
		}
		return sessionid.ID{}, 0, nil, inbox.Fail(inbox.CodeDecryptionFailed, err)
	}
	return inner.Sender, inner.Kind, inner.Content, nil
}

// RatchetFailure blames the message for an error of the ratchet.
func RatchetFailure(err error) error {
	switch {
	case errors.Is(err, ratchet.ErrUnknownPrekey):
		return inbox.Fail(inbox.CodeUnknownPrekey, err)
	case errors.Is(err, ratchet.ErrNoSession):
		return inbox.Fail(inbox.CodeNoSession, err)
	}
	return inbox.Fail(inbox.CodeDecryptionFailed, err)
}

// ParsePadded reads a padded content of protocol signal.
func ParsePadded(padded []byte) (message.Content, error) {
	encoded, err := message.Unpad(padded)
	if err != nil {
		return message.Content{}, inbox.Fail(inbox.CodeDecryptionFailed, err)
	}
	content, err := message.Parse(encoded)
	if err != nil {
		return message.Content{}, inbox.Fail(inbox.CodeBadEnvelope, err)
	}
	return content, nil
}

// CheckBundle refuses a bundle that has another identity than its sender, is not signed by it, or cannot start a
// session.
func CheckBundle(bundle x3dh.Bundle, sender sessionid.ID, own x25519.PrivateKey) error {
	if !bundle.IdentityKey.Equal(sender.PublicKey()) {
		return inbox.Fail(inbox.CodeBadSignature, errors.New("prekey bundle belongs to another identity than its sender's"))
	}
	if err := bundle.Verify(); err != nil {
		return inbox.Fail(inbox.CodeBadSignature, fmt.Errorf("prekey bundle: %w", err))
	}
	prekeys := []x25519.PublicKey{bundle.SignedPrekey}
	if bundle.OneTimePrekey != nil {
		prekeys = append(prekeys, *bundle.OneTimePrekey)
	}
	for _, key := range prekeys {
		// A public key of low order is refused for every private key, so any one will do.
		if _, err := own.DH(key); err != nil {
			return inbox.Fail(inbox.CodeBadSignature, fmt.Errorf("prekey bundle: %w", err))
		}
	}
	return nil
}
