package onion

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
)

// Cipher is how a layer of version 2 is sealed. Clients of 2020, and of version 1, know AESGCM only; a request may mix
// them (storage-2.8.md section 8.2).
type Cipher string

const (
	// AESGCM is AES-256-GCM under HMAC-SHA256("LOKI", shared secret), what no name stands for.
	AESGCM Cipher = ""
	// XChaCha20 is XChaCha20-Poly1305 under BLAKE2b-256(shared secret || ephemeral key || node's key).
	XChaCha20 Cipher = "xchacha20"
	// AESCBC is AES-256-CBC with PKCS #7 padding under the shared secret. It notices no change to what it has sealed.
	AESCBC Cipher = "aes-cbc"
)

// ErrCipher reports a Cipher that is none of these.
var ErrCipher = errors.New("unknown cipher of an onion layer")

// parseCipher reads a cipher's name, of which there are several for each.
func parseCipher(name string) (Cipher, error) {
	switch name {
	case "", "aes-gcm", "gcm":
		return AESGCM, nil
	case "xchacha20", "xchacha20-poly1305":
		return XChaCha20, nil
	case "aes-cbc", "cbc":
		return AESCBC, nil
	}
	return "", ErrCipher
}

// cbc is AES-CBC in the form of a cipher.AEAD, which it is not: nothing is authenticated.
type cbc struct{ block cipher.Block }

var errPadding = errors.New("sealed bytes have no padding")

// NonceSize implements cipher.AEAD.
func (cbc) NonceSize() int { return aes.BlockSize }

// Overhead implements cipher.AEAD: the longest padding.
func (cbc) Overhead() int { return aes.BlockSize }

// Seal implements cipher.AEAD.
func (c cbc) Seal(dst, nonce, plaintext, _ []byte) []byte {
	padding := aes.BlockSize - len(plaintext)%aes.BlockSize
	padded := append(bytes.Clone(plaintext), bytes.Repeat([]byte{byte(padding)}, padding)...)
	cipher.NewCBCEncrypter(c.block, nonce).CryptBlocks(padded, padded)
	return append(dst, padded...)
}

// Open implements cipher.AEAD.
func (c cbc) Open(dst, nonce, ciphertext, _ []byte) ([]byte, error) {
	if len(ciphertext) == 0 || len(ciphertext)%aes.BlockSize != 0 {
		return nil, errPadding
	}
	plaintext := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(c.block, nonce).CryptBlocks(plaintext, ciphertext)
	padding := plaintext[len(plaintext)-1]
	text, ok := bytes.CutSuffix(plaintext, bytes.Repeat([]byte{padding}, int(padding)))
	if !ok || padding == 0 || padding > aes.BlockSize {
		return nil, errPadding
	}
	return append(dst, text...), nil
}
