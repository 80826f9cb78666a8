package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"

	"sessiontool/lib/x25519"
)

// EncryptFriendRequest encrypts padded, a padded Content, between the owner of own and peer: IV (16 bytes, drawn
// from random) || AES-256-CBC with PKCS #7 padding. The key is the bare X25519 secret, the same in both directions
// and for ever, and there is no MAC: this is what clients of 2020 read (signal-2020.md section 5.1). Nothing but a
// friend request should travel in it. The error is x25519.ErrLowOrder or random's.
func EncryptFriendRequest(random io.Reader, own x25519.KeyPair, peer x25519.PublicKey, padded []byte) ([]byte, error) {
	block, err := friendRequestCipher(own, peer)
	if err != nil {
		return nil, err
	}
	padding := aes.BlockSize - len(padded)%aes.BlockSize
	out := make([]byte, aes.BlockSize+len(padded)+padding)
	iv, body := out[:aes.BlockSize], out[aes.BlockSize:]
	if _, err := io.ReadFull(random, iv); err != nil {
		return nil, fmt.Errorf("reading randomness: %w", err)
	}
	for i := copy(body, padded); i < len(body); i++ {
		body[i] = byte(padding)
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(body, body)
	return out, nil
}

// DecryptFriendRequest undoes EncryptFriendRequest with the keys of the other side. It returns ErrDecrypt for
// anything that does not decrypt, without telling a wrong length from wrong padding or a wrong key. Since there is
// no MAC, about one in 256 changed ciphertexts still decrypts, to nonsense.
func DecryptFriendRequest(own x25519.KeyPair, peer x25519.PublicKey, data []byte) ([]byte, error) {
	block, err := friendRequestCipher(own, peer)
	if errors.Is(err, x25519.ErrLowOrder) {
		return nil, ErrDecrypt
	}
	if err != nil {
		return nil, err
	}
	if len(data) < 2*aes.BlockSize || len(data)%aes.BlockSize != 0 {
		return nil, ErrDecrypt
	}
	plaintext := make([]byte, len(data)-aes.BlockSize)
	cipher.NewCBCDecrypter(block, data[:aes.BlockSize]).CryptBlocks(plaintext, data[aes.BlockSize:])
	padding, ok := paddingLength(plaintext)
	if !ok {
		return nil, ErrDecrypt
	}
	return plaintext[:len(plaintext)-padding], nil
}

func friendRequestCipher(own x25519.KeyPair, peer x25519.PublicKey) (cipher.Block, error) {
	secret, err := own.DH(peer)
	if err != nil {
		return nil, err
	}
	defer clear(secret[:])
	return aes.NewCipher(secret[:])
}

// paddingLength reads the PKCS #7 padding of plaintext, which is at least one block long. It looks at the whole
// last block whatever it finds there, so that time does not tell how much of the padding was right.
func paddingLength(plaintext []byte) (int, bool) {
	last := plaintext[len(plaintext)-aes.BlockSize:]
	padding := int(last[aes.BlockSize-1])
	ok := subtle.ConstantTimeLessOrEq(1, padding) & subtle.ConstantTimeLessOrEq(padding, aes.BlockSize)
	for i, b := range last {
		inside := subtle.ConstantTimeLessOrEq(aes.BlockSize-i, padding)
		ok &= subtle.ConstantTimeSelect(inside, subtle.ConstantTimeByteEq(b, byte(padding)), 1)
	}
	return padding, ok == 1
}
