// Package sealedbox is the cipher of session-v1 (session-v1.md section 3): libsodium's sealed box around the padded
// content, the sender's Ed25519 public key, and the sender's signature. It needs no session, so a first message needs
// no answer from the recipient. It has no forward secrecy: the recipient's private key opens every message ever sealed
// for it.
//
// It promises the clients' format, that a sender is reported only if the holder of that Session ID's private key signed
// this content for this recipient, and the same error for every box that does not open. It is pure: randomness is
// passed in.
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

// Overhead is the number of bytes that sealing adds to a padded content: an ephemeral key, a MAC, the sender's public
// key and a signature.
const Overhead = box.AnonymousOverhead + trailerSize

// trailerSize is the length of the public key and the signature behind the padded content.
const trailerSize = ed25519.PublicKeySize + ed25519.SignatureSize

var (
	// ErrDecrypt reports a box that does not open: made for another key, changed on the way, or not a box.
	ErrDecrypt = errors.New("message does not decrypt")
	// ErrSignature reports a box whose claimed sender did not sign its content for this recipient.
	ErrSignature = errors.New("message is not signed by its sender")
)

// Seal signs padded, a padded Content, with the sender's Ed25519 key and encrypts it for recipient. It reads the
// ephemeral private key, 32 bytes, from random. The result is Overhead bytes longer than padded. The error is
// x25519.ErrLowOrder for a recipient's key of low order, or random's.
func Seal(random io.Reader, sender sessionid.Keys, recipient x25519.PublicKey, padded []byte) ([]byte, error) {
	// The box would accept a key of low order, with which its key is a known value.
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

// Open decrypts what [Seal] made for recipient. It returns the padded content and the Session ID of its signer. The
// error is ErrDecrypt or ErrSignature.
func Open(recipient x25519.KeyPair, sealed []byte) ([]byte, sessionid.ID, error) {
	plaintext, ok := box.OpenAnonymous(nil, sealed, (*[x25519.Size]byte)(&recipient.Public),
		(*[x25519.Size]byte)(&recipient.Private))
	if !ok || len(plaintext) < trailerSize {
		return nil, sessionid.ID{}, ErrDecrypt
	}
	padded, trailer := plaintext[:len(plaintext)-trailerSize], plaintext[len(plaintext)-trailerSize:]
	public, signature := trailer[:ed25519.PublicKeySize], trailer[ed25519.PublicKeySize:]
	// PublicKeyFromEd25519 refuses a key of low order, for which signatures can be forged.
	sender, err := sessionid.PublicKeyFromEd25519([ed25519.PublicKeySize]byte(public))
	if err != nil || !ed25519.Verify(public, signedText(padded, public, recipient.Public), signature) {
		return nil, sessionid.ID{}, ErrSignature
	}
	return padded, sessionid.FromPublicKey(sender), nil
}

// signedText returns the text that the signature covers. It includes the recipient, so that a recipient cannot forward
// the message as one to another recipient.
func signedText(padded, senderEd25519 []byte, recipient x25519.PublicKey) []byte {
	text := make([]byte, 0, len(padded)+len(senderEd25519)+len(recipient))
	text = append(text, padded...)
	text = append(text, senderEd25519...)
	return append(text, recipient[:]...)
}
