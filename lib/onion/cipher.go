package onion

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"

	"sessiontool/lib/internal/aescbc"
)

// Cipher names how a layer of version 2 is sealed. Layers of one request may have different ciphers
// (storage-2.8.md section 8.2). Clients of 2020, and version 1, know only AESGCM.
type Cipher string

const (
	// AESGCM is AES-256-GCM under HMAC-SHA256("LOKI", shared secret). A layer that names no cipher has it.
	AESGCM Cipher = ""
	// XChaCha20 is XChaCha20-Poly1305 under BLAKE2b-256(shared secret || ephemeral key || node's key).
	XChaCha20 Cipher = "xchacha20"
	// AESCBC is AES-256-CBC with PKCS #7 padding under the shared secret. It does not authenticate.
	AESCBC Cipher = "aes-cbc"
)

// ErrCipher reports a Cipher without a constant here.
var ErrCipher = errors.New("unknown cipher of an onion layer")

// parseCipher returns the cipher of a name on the wire. Each cipher has several names.
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

// cbc gives AES-CBC the interface of a [cipher.AEAD]. It authenticates nothing.
type cbc struct{ block cipher.Block }

// NonceSize implements cipher.AEAD.
func (cbc) NonceSize() int { return aes.BlockSize }

// Overhead implements cipher.AEAD: the longest padding.
func (cbc) Overhead() int { return aescbc.Overhead }

// Seal implements cipher.AEAD.
func (c cbc) Seal(dst, nonce, plaintext, _ []byte) []byte {
	return aescbc.Append(dst, c.block, nonce, plaintext)
}

// Open implements cipher.AEAD.
func (c cbc) Open(dst, nonce, ciphertext, _ []byte) ([]byte, error) {
	plaintext, err := aescbc.Decrypt(c.block, nonce, ciphertext)
	if err != nil {
		return nil, err
	}
	return append(dst, plaintext...), nil
}
