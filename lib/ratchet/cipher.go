package ratchet

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"

	"sessiontool/lib/x25519"
)

// ErrMAC reports a message that was not made with the keys that this session expects: forged, damaged,
// of another session, or of a receiving chain that is forgotten.
var ErrMAC = errors.New("message authentication failed")

// messageKeys encrypt and authenticate a single message (signal-2020.md section 8.1).
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

// block cannot fail: the key has the length of an AES-256 key.
func (k *messageKeys) block() cipher.Block {
	block, err := aes.NewCipher(k.cipher[:])
	if err != nil {
		panic("ratchet: " + err.Error())
	}
	return block
}

// encrypt returns AES-256-CBC of plaintext with PKCS #7 padding.
func (k *messageKeys) encrypt(plaintext []byte) []byte {
	padding := aes.BlockSize - len(plaintext)%aes.BlockSize
	ciphertext := make([]byte, len(plaintext)+padding)
	n := copy(ciphertext, plaintext)
	for i := n; i < len(ciphertext); i++ {
		ciphertext[i] = byte(padding)
	}
	cipher.NewCBCEncrypter(k.block(), k.iv[:]).CryptBlocks(ciphertext, ciphertext)
	return ciphertext
}

// isCiphertext tells if encrypt can have made something of b's length.
func isCiphertext(b []byte) bool {
	return len(b) > 0 && len(b)%aes.BlockSize == 0
}

// decrypt undoes encrypt for an authentic ciphertext, as isCiphertext accepts it. It returns ErrMalformed if
// the sender padded it wrongly; nobody without the session's keys can provoke that.
func (k *messageKeys) decrypt(ciphertext []byte) ([]byte, error) {
	padded := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(k.block(), k.iv[:]).CryptBlocks(padded, ciphertext)
	padding := int(padded[len(padded)-1])
	if padding == 0 || padding > aes.BlockSize {
		return nil, fmt.Errorf("%w: padding", ErrMalformed)
	}
	plaintext, tail := padded[:len(padded)-padding], padded[len(padded)-padding:]
	if !bytes.Equal(tail, bytes.Repeat([]byte{byte(padding)}, padding)) {
		return nil, fmt.Errorf("%w: padding", ErrMalformed)
	}
	return plaintext, nil
}

// tag is the MAC over both identities and the body of a WhisperMessage, cut to MACSize bytes.
func (k *messageKeys) tag(sender, receiver x25519.PublicKey, body []byte) [MACSize]byte {
	mac := hmac.New(sha256.New, k.mac[:])
	mac.Write(sender.Encoded())
	mac.Write(receiver.Encoded())
	mac.Write(body)
	var sum [sha256.Size]byte
	return [MACSize]byte(mac.Sum(sum[:0]))
}
