package sealedsender

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"slices"

	"sessiontool/lib/x25519"
)

// partKeys encrypt one of the two parts of a sealed message: AES-256 in counter mode from zero, followed by the first
// 10 bytes of HMAC-SHA256 over the ciphertext. Each key encrypts one part only.
type partKeys struct {
	cipher [keySize]byte
	mac    [keySize]byte
}

// ephemeralKeys derives the keys that encrypt the sender's static key, and the chain key for staticKeys. Own is the key
// pair of the caller, public the public key of the other side. The salt is made of the recipient's and the ephemeral
// public key, so it is the same on both sides. The error is x25519.ErrLowOrder.
func ephemeralKeys(own x25519.KeyPair, public, recipient, ephemeral x25519.PublicKey) (partKeys, [keySize]byte, error) {
	salt := slices.Concat([]byte(saltPrefix), recipient.Encoded(), ephemeral.Encoded())
	secret, err := own.DH(public)
	if err != nil {
		return partKeys{}, [keySize]byte{}, err
	}
	return derive(secret, salt)
}

// staticKeys derives the keys for the message from the shared secret of the two identity keys.
// The error is x25519.ErrLowOrder.
func staticKeys(
	own x25519.KeyPair,
	public x25519.PublicKey,
	chain [keySize]byte,
	encryptedStatic []byte,
) (partKeys, error) {
	secret, err := own.KeptDH(public)
	if err != nil {
		return partKeys{}, err
	}
	k, _, err := derive(secret, slices.Concat(chain[:], encryptedStatic))
	return k, err
}

// derive expands a shared secret with HKDF-SHA256 to three keys: chain key, cipher key and MAC key.
func derive(secret [x25519.Size]byte, salt []byte) (k partKeys, chain [keySize]byte, err error) {
	defer clear(secret[:])
	derived, err := hkdf.Key(sha256.New, secret[:], salt, "", 3*keySize)
	if err != nil {
		return k, chain, err
	}
	defer clear(derived)
	copy(chain[:], derived)
	copy(k.cipher[:], derived[keySize:])
	copy(k.mac[:], derived[2*keySize:])
	return k, chain, nil
}

// encrypt returns ciphertext || mac.
func (k partKeys) encrypt(plaintext []byte) ([]byte, error) {
	ciphertext, err := k.stream(plaintext)
	if err != nil {
		return nil, err
	}
	return append(ciphertext, k.sum(ciphertext)...), nil
}

// decrypt reverses encrypt, or returns ErrDecrypt.
func (k partKeys) decrypt(data []byte) ([]byte, error) {
	split := len(data) - macSize
	if split < 0 || !hmac.Equal(k.sum(data[:split]), data[split:]) {
		return nil, ErrDecrypt
	}
	return k.stream(data[:split])
}

func (k partKeys) sum(ciphertext []byte) []byte {
	mac := hmac.New(sha256.New, k.mac[:])
	mac.Write(ciphertext)
	return mac.Sum(nil)[:macSize]
}

// stream encrypts or decrypts: AES in counter mode is its own inverse.
func (k partKeys) stream(in []byte) ([]byte, error) {
	block, err := aes.NewCipher(k.cipher[:])
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(in), len(in)+macSize)
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(out, in)
	return out, nil
}
