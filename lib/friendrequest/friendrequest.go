// Package friendrequest is the cipher of friend requests of Session clients of 2020 (signal-2020.md section 5.1). It
// works between two parties that have no session: its key is the X25519 shared secret of their identity keys.
//
// It promises the clients' bytes and the same error for every failure to decrypt. It does not promise integrity: the
// format has no MAC, and its key is the same for both directions and for all time. Use it for friend requests alone.
// It is pure: randomness is passed in.
package friendrequest

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"

	"sessiontool/lib/internal/aescbc"
	"sessiontool/lib/x25519"
)

// ErrDecrypt reports bytes that do not decrypt: made for another key, or changed on the way.
var ErrDecrypt = errors.New("friend request does not decrypt")

// Encrypt encrypts padded, a padded Content, between the owner of own and peer. The result is an IV of 16 bytes, drawn
// from random, and AES-256-CBC with PKCS #7 padding. The error is x25519.ErrLowOrder or random's.
func Encrypt(random io.Reader, own x25519.KeyPair, peer x25519.PublicKey, padded []byte) ([]byte, error) {
	block, err := newCipher(own, peer)
	if err != nil {
		return nil, err
	}
	iv := make([]byte, aes.BlockSize, aes.BlockSize+len(padded)+aescbc.Overhead)
	if _, err := io.ReadFull(random, iv); err != nil {
		return nil, fmt.Errorf("reading randomness: %w", err)
	}
	return aescbc.Append(iv, block, iv, padded), nil
}

// Decrypt reverses [Encrypt] with the keys of the other side. It returns ErrDecrypt for a wrong length, wrong padding
// and a wrong key alike. Since the format has no MAC, about one in 256 changed ciphertexts still decrypts, to garbage.
func Decrypt(own x25519.KeyPair, peer x25519.PublicKey, data []byte) ([]byte, error) {
	block, err := newCipher(own, peer)
	if errors.Is(err, x25519.ErrLowOrder) {
		return nil, ErrDecrypt
	}
	if err != nil {
		return nil, err
	}
	if len(data) < aes.BlockSize {
		return nil, ErrDecrypt
	}
	plaintext, err := aescbc.Decrypt(block, data[:aes.BlockSize], data[aes.BlockSize:])
	if err != nil {
		return nil, ErrDecrypt
	}
	return plaintext, nil
}

func newCipher(own x25519.KeyPair, peer x25519.PublicKey) (cipher.Block, error) {
	secret, err := own.DH(peer)
	if err != nil {
		return nil, err
	}
	defer clear(secret[:])
	return aes.NewCipher(secret[:])
}
