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
	"io"
	"slices"

	"golang.org/x/crypto/nacl/secretbox"
	//lint:ignore SA1019 HSalsa20 derives the key of a crypto_box, and no other package has it
	"golang.org/x/crypto/salsa20/salsa"

	"sessiontool/lib/internal/blake2b"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
	"sessiontool/lib/xeddsa"
)

// Overhead is the number of bytes that sealing adds to a padded content: an ephemeral key, a MAC, the sender's public
// key and a signature.
const Overhead = x25519.Size + secretbox.Overhead + trailerSize

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
	if recipient.LowOrder() { // before randomness is read
		return nil, x25519.ErrLowOrder
	}
	public := sender.Ed25519Public()
	signature := sender.Sign(signedText(padded, public[:], recipient))
	plaintext := make([]byte, 0, len(padded)+trailerSize)
	plaintext = append(plaintext, padded...)
	plaintext = append(plaintext, public[:]...)
	plaintext = append(plaintext, signature[:]...)
	ephemeral, err := x25519.GenerateKey(random)
	if err != nil {
		return nil, err
	}
	secret, err := ephemeral.DH(recipient)
	if err != nil {
		return nil, err
	}
	key, nonce := boxKey(secret, ephemeral.Public, recipient)
	return secretbox.Seal(ephemeral.Public[:], plaintext, &nonce, &key), nil
}

// boxKey returns the key and the nonce of a box from ephemeral to recipient, whose X25519 secret is given (libsodium's
// crypto_box_seal). box.SealAnonymous and box.OpenAnonymous are not used: they accept a public key of low order, with
// which the key of the box is a known value.
func boxKey(secret [32]byte, ephemeral, recipient x25519.PublicKey) (key [32]byte, nonce [24]byte) {
	salsa.HSalsa20(&key, new([16]byte), &secret, &salsa.Sigma)
	copy(nonce[:], blake2b.Sum(len(nonce), nil, "", ephemeral[:], recipient[:]))
	return key, nonce
}

// Open decrypts what [Seal] made for recipient. It returns the padded content and the Session ID of its signer. The
// error is ErrDecrypt or ErrSignature.
func Open(recipient x25519.KeyPair, sealed []byte) ([]byte, sessionid.ID, error) {
	if len(sealed) < Overhead {
		return nil, sessionid.ID{}, ErrDecrypt
	}
	ephemeral := x25519.PublicKey(sealed[:x25519.Size])
	secret, err := recipient.DH(ephemeral)
	if err != nil {
		return nil, sessionid.ID{}, ErrDecrypt
	}
	key, nonce := boxKey(secret, ephemeral, recipient.Public)
	plaintext, ok := secretbox.Open(nil, sealed[x25519.Size:], &nonce, &key)
	if !ok {
		return nil, sessionid.ID{}, ErrDecrypt
	}
	padded, trailer := plaintext[:len(plaintext)-trailerSize], plaintext[len(plaintext)-trailerSize:]
	public := [ed25519.PublicKeySize]byte(trailer[:ed25519.PublicKeySize])
	signature := [xeddsa.SignatureSize]byte(trailer[ed25519.PublicKeySize:])
	sender, err := sessionid.PublicKeyFromEd25519(public)
	if err != nil || !xeddsa.VerifyStrict(public, signedText(padded, public[:], recipient.Public), signature) {
		return nil, sessionid.ID{}, ErrSignature
	}
	return padded, sessionid.FromPublicKey(sender), nil
}

// signedText returns the text that the signature covers. It includes the recipient, so that a recipient cannot forward
// the message as one to another recipient.
func signedText(padded, senderEd25519 []byte, recipient x25519.PublicKey) []byte {
	return slices.Concat(padded, senderEd25519, recipient[:])
}
