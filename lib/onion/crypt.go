package onion

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/chacha20poly1305"

	"sessiontool/lib/x25519"
)

// keyLabel is the HMAC key that derives a layer key from an X25519 secret (storage-2.0.md section 7.1).
const keyLabel = "LOKI"

var errShort = errors.New("ciphertext is shorter than nonce and tag")

// sealFor encrypts a content for the holder of public with a fresh ephemeral key. It returns the ephemeral public key
// and the cipher that decrypts the response.
func sealFor(random io.Reader, kind Cipher, public x25519.PublicKey, content *layerText) (x25519.PublicKey, cipher.AEAD, error) {
	ephemeral, err := x25519.GenerateKey(random)
	if err != nil {
		return x25519.PublicKey{}, nil, err
	}
	aead, err := layerCipher(kind, ephemeral, ephemeral.Public, public)
	if err != nil {
		return x25519.PublicKey{}, nil, err
	}
	return ephemeral.Public, aead, content.seal(random, aead)
}

// layerCipher returns the cipher of a layer. Own is the key pair of the ephemeral key or of the node. The secret stays
// inside the cipher, so that no formatting verb prints it. The error is x25519.ErrLowOrder or ErrCipher.
func layerCipher(kind Cipher, own x25519.KeyPair, ephemeral, node x25519.PublicKey) (cipher.AEAD, error) {
	other := ephemeral
	if own.Public.Equal(ephemeral) {
		other = node
	}
	secret, err := own.DH(other)
	if err != nil {
		return nil, err
	}
	switch kind {
	case AESGCM:
		mac := hmac.New(sha256.New, []byte(keyLabel))
		mac.Write(secret[:])
		block, err := aes.NewCipher(mac.Sum(nil))
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	case XChaCha20:
		key := blake2b.Sum256(slices.Concat(secret[:], ephemeral[:], node[:]))
		return chacha20poly1305.NewX(key[:])
	case AESCBC:
		block, err := aes.NewCipher(secret[:])
		if err != nil {
			return nil, err
		}
		return cbc{block}, nil
	}
	return nil, ErrCipher
}

// seal returns nonce || ciphertext || tag. It reads the nonce from random.
func seal(random io.Reader, aead cipher.AEAD, plaintext []byte) ([]byte, error) {
	nonceSize := aead.NonceSize()
	sealed := make([]byte, nonceSize, nonceSize+len(plaintext)+aead.Overhead())
	if _, err := io.ReadFull(random, sealed); err != nil {
		return nil, fmt.Errorf("reading randomness: %w", err)
	}
	return aead.Seal(sealed, sealed, plaintext, nil), nil
}

// open reverses seal.
func open(aead cipher.AEAD, sealed []byte) ([]byte, error) { return openInto(nil, aead, sealed) }

// openInPlace is open that overwrites sealed with the result.
func openInPlace(aead cipher.AEAD, sealed []byte) ([]byte, error) {
	return openInto(sealed[min(len(sealed), aead.NonceSize()):][:0], aead, sealed)
}

func openInto(plaintext []byte, aead cipher.AEAD, sealed []byte) ([]byte, error) {
	nonceSize := aead.NonceSize()
	if len(sealed) < nonceSize+aead.Overhead() {
		return nil, errShort
	}
	return aead.Open(plaintext, sealed[:nonceSize], sealed[nonceSize:], nil)
}
