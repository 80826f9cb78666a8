package ratchet

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"

	"sessiontool/lib/internal/aescbc"
	"sessiontool/lib/x25519"
)

// ErrMAC reports a message with a wrong MAC: forged, damaged, of another session, or of a receiving chain that was
// dropped.
var ErrMAC = errors.New("message authentication failed")

// messageKeys are the keys and the IV of one message (signal-2020.md section 8.1).
type messageKeys struct {
	cipher key32
	mac    key32
	iv     [aes.BlockSize]byte
}

// deriveMessageKeys expands a message key. The salt is 32 zero bytes.
func deriveMessageKeys(messageKey *key32) messageKeys {
	output := hkdf96(messageKey, new(key32), messageInfo)
	return messageKeys{cipher: output[0], mac: output[1], iv: [aes.BlockSize]byte(output[2][:])}
}

// block returns the AES cipher. It cannot fail: the key has the length of an AES-256 key.
func (k *messageKeys) block() cipher.Block {
	block, err := aes.NewCipher(k.cipher[:])
	if err != nil {
		panic("ratchet: " + err.Error())
	}
	return block
}

// encrypt returns AES-256-CBC of plaintext with PKCS #7 padding.
func (k *messageKeys) encrypt(plaintext []byte) []byte {
	return aescbc.Append(nil, k.block(), k.iv[:], plaintext)
}

// decrypt reverses encrypt for an authentic ciphertext. It returns ErrMalformed if the sender padded it wrongly. Only
// the other side of the session can cause that error.
func (k *messageKeys) decrypt(ciphertext []byte) ([]byte, error) {
	plaintext, err := aescbc.Decrypt(k.block(), k.iv[:], ciphertext)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return plaintext, nil
}

// tag returns the MAC over both identity keys and the body of a WhisperMessage, cut to MACSize bytes.
func (k *messageKeys) tag(sender, receiver x25519.PublicKey, body []byte) [MACSize]byte {
	mac := hmac.New(sha256.New, k.mac[:])
	mac.Write(sender.Encoded())
	mac.Write(receiver.Encoded())
	mac.Write(body)
	var sum [sha256.Size]byte
	return [MACSize]byte(mac.Sum(sum[:0]))
}
