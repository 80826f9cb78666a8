// Package sealedbox is the cipher of session-v1 messages (session-v1.md section 3): libsodium's sealed box around
// the padded content, its sender's Ed25519 key, and the sender's signature. It needs no session and no answer from
// the other side, so anybody can write to anybody at once. It has no forward secrecy: whoever gets the recipient's
// private key reads every message that was ever sealed for it.
//
// It promises the clients' format, that a sender is reported only if the holder of that Session ID's private key
// signed this content for this recipient, and that every box that does not open gives the same error. It is pure:
// randomness is passed in.
package sealedbox

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/nacl/box"

	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// Overhead is how many bytes longer a sealed message is than its padded content: an ephemeral key and a MAC around it,
// a key and a signature behind it.
const Overhead = box.AnonymousOverhead + trailerSize

// trailerSize is what follows the padded content inside the box.
const trailerSize = ed25519.PublicKeySize + ed25519.SignatureSize

var (
	// ErrDecrypt reports a box that does not open: made for another key, changed on the way, or no box at all.
	ErrDecrypt = errors.New("message does not decrypt")
	// ErrSignature reports a box whose content its alleged sender did not sign for this recipient.
	ErrSignature = errors.New("message is not signed by its sender")
)

// Seal encrypts padded, a padded Content, for recipient and signs it with the sender's Ed25519 key. An ephemeral
// private key, 32 bytes, is drawn from random. The result is Overhead bytes longer than padded. The error is
// x25519.ErrLowOrder for a recipient that is no real key, or random's.
func Seal(random io.Reader, sender sessionid.Keys, recipient x25519.PublicKey, padded []byte) ([]byte, error) {
	// The box itself would take such a key, and anybody could open it.
	if _, err := sender.X25519.DH(recipient); err != nil {
		return nil, err
	}
	public := sender.Ed25519Public()
	signature := sender.Sign(signedText(padded, public[:], recipient))
	plaintext := make([]byte, 0, len(padded)+trailerSize)
	plaintext = append(plaintext, padded...)
	plaintext = append(plaintext, public[:]...)
	plaintext = append(plaintext, signature[:]...)
	sealed, err := box.SealAnonymous(nil, plaintext, (*[x25519.Size]byte)(&recipient), random)
	if err != nil {
		return nil, fmt.Errorf("reading randomness: %w", err)
	}
	return sealed, nil
}

// Open decrypts what Seal made for recipient and returns the padded content and the Session ID of the one who signed
// it. The error is ErrDecrypt or ErrSignature.
func Open(recipient x25519.KeyPair, sealed []byte) ([]byte, sessionid.ID, error) {
	plaintext, ok := box.OpenAnonymous(nil, sealed, (*[x25519.Size]byte)(&recipient.Public), (*[x25519.Size]byte)(&recipient.Private))
	if !ok || len(plaintext) < trailerSize {
		return nil, sessionid.ID{}, ErrDecrypt
	}
	padded, trailer := plaintext[:len(plaintext)-trailerSize], plaintext[len(plaintext)-trailerSize:]
	public, signature := trailer[:ed25519.PublicKeySize], trailer[ed25519.PublicKeySize:]
	// A key of low order is refused here: it verifies signatures that nobody made.
	sender, err := sessionid.PublicKeyFromEd25519([ed25519.PublicKeySize]byte(public))
	if err != nil || !ed25519.Verify(public, signedText(padded, public, recipient.Public), signature) {
		return nil, sessionid.ID{}, ErrSignature
	}
	return padded, sessionid.FromPublicKey(sender), nil
}

// signedText is what the signature covers: the recipient is in it, so that nobody can pass a message on as if it were
// meant for somebody else.
func signedText(padded, senderEd25519 []byte, recipient x25519.PublicKey) []byte {
	text := make([]byte, 0, len(padded)+len(senderEd25519)+len(recipient))
	text = append(text, padded...)
	text = append(text, senderEd25519...)
	return append(text, recipient[:]...)
}
