package aescbc

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"testing"
)

func newBlock(t *testing.T) cipher.Block {
	t.Helper()
	block, err := aes.NewCipher([]byte("a key of thirty-two bytes, fixed"))
	if err != nil {
		t.Fatal(err)
	}
	return block
}

var iv = []byte("sixteen bytes iv")

func TestBothWays(t *testing.T) {
	block := newBlock(t)
	for size := range 3*aes.BlockSize + 1 {
		plaintext := bytes.Repeat([]byte{16}, size) // bytes that look like padding
		encrypted := Append(bytes.Clone(iv), block, iv, plaintext)
		if !bytes.HasPrefix(encrypted, iv) {
			t.Fatalf("%d bytes: dst is overwritten", size)
		}
		ciphertext := encrypted[len(iv):]
		if !ValidLength(len(ciphertext)) || len(ciphertext) > size+Overhead {
			t.Errorf("%d bytes become %d", size, len(ciphertext))
		}
		if got, err := Decrypt(block, iv, ciphertext); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: decrypted to %x, %v", size, got, err)
		}
	}
}

func TestPaddingLength(t *testing.T) {
	block := newBlock(t)
	for name, test := range map[string]struct {
		last []byte // block
		want int    // 0 for wrong padding
	}{
		"one":                   {[]byte("fifteen bytes..\x01"), 1},
		"two":                   {[]byte("fourteen bytes\x02\x02"), 2},
		"a whole block":         {bytes.Repeat([]byte{16}, 16), 16},
		"zero":                  {make([]byte, 16), 0},
		"more than a block":     {bytes.Repeat([]byte{17}, 16), 0},
		"more than any":         {bytes.Repeat([]byte{255}, 16), 0},
		"not all the same":      {[]byte("fourteen bytes\x01\x02"), 0},
		"the first one differs": {append([]byte{15}, bytes.Repeat([]byte{16}, 15)...), 0},
	} {
		padded := append([]byte("a block before.."), test.last...)
		got, ok := paddingLength(padded)
		if ok != (test.want != 0) || ok && got != test.want {
			t.Errorf("%s: %d, %v, want %d", name, got, ok, test.want)
		}
		ciphertext := make([]byte, len(padded))
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(ciphertext, padded)
		plaintext, err := Decrypt(block, iv, ciphertext)
		if ok && !bytes.Equal(plaintext, padded[:len(padded)-test.want]) || !ok && !errors.Is(err, ErrPadding) {
			t.Errorf("%s: decrypted to %x, %v", name, plaintext, err)
		}
	}
}

func TestDecryptRefusesLengths(t *testing.T) {
	for _, size := range []int{0, 1, 15, 17, 31, 33} {
		if plaintext, err := Decrypt(newBlock(t), iv, make([]byte, size)); !errors.Is(err, ErrPadding) {
			t.Errorf("%d bytes: decrypted to %x, %v", size, plaintext, err)
		}
	}
}
