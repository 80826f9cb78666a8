// Package aescbc is AES-CBC with PKCS #7 padding. It does not authenticate what it encrypts.
//
// It promises that removing the padding takes the same time for right and wrong padding, and that every ciphertext that
// does not decrypt gives the same error. Both keep a caller from becoming a padding oracle.
package aescbc

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"slices"
)

// Overhead is the length of the longest padding in bytes. The shortest padding is one byte.
const Overhead = aes.BlockSize

// ErrPadding reports a ciphertext of a wrong length, or with wrong padding inside.
var ErrPadding = errors.New("ciphertext has no PKCS #7 padding")

// ValidLength reports whether a ciphertext may have n bytes: a positive number of whole blocks.
func ValidLength(n int) bool { return n > 0 && n%aes.BlockSize == 0 }

// Append pads and encrypts plaintext, and appends the ciphertext to dst. iv has 16 bytes and may be part of dst.
func Append(dst []byte, block cipher.Block, iv, plaintext []byte) []byte {
	padding := aes.BlockSize - len(plaintext)%aes.BlockSize
	start := len(dst)
	dst = append(slices.Grow(dst, len(plaintext)+padding), plaintext...)
	for range padding {
		dst = append(dst, byte(padding))
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(dst[start:], dst[start:])
	return dst
}

// Decrypt returns the plaintext of ciphertext without its padding, in memory of its own. iv has 16 bytes. The error is
// ErrPadding.
func Decrypt(block cipher.Block, iv, ciphertext []byte) ([]byte, error) {
	if !ValidLength(len(ciphertext)) {
		return nil, ErrPadding
	}
	padded := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(padded, ciphertext)
	padding, ok := paddingLength(padded)
	if !ok {
		return nil, ErrPadding
	}
	return padded[:len(padded)-padding], nil
}

// paddingLength returns the length of the padding at the end of padded, which has at least one block. It always reads
// the whole last block, so that its duration does not depend on how much of the padding is right.
func paddingLength(padded []byte) (int, bool) {
	last := padded[len(padded)-aes.BlockSize:]
	padding := int(last[aes.BlockSize-1])
	ok := subtle.ConstantTimeLessOrEq(1, padding) & subtle.ConstantTimeLessOrEq(padding, aes.BlockSize)
	for i, b := range last {
		inside := subtle.ConstantTimeLessOrEq(aes.BlockSize-i, padding)
		ok &= subtle.ConstantTimeSelect(inside, subtle.ConstantTimeByteEq(b, byte(padding)), 1)
	}
	return padding, ok == 1
}
