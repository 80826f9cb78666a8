package ratchet

import (
	"bytes"
	"crypto/cipher"
	"errors"
	"testing"
)

// An authentic message with wrong padding gives ErrMalformed.
func TestWrongPadding(t *testing.T) {
	keys := deriveMessageKeys(new(key32))
	for name, padded := range map[string][]byte{
		"zero":              append(bytes.Repeat([]byte{1}, 15), 0),
		"longer than block": append(bytes.Repeat([]byte{17}, 31), 17),
		"longer than all":   append(bytes.Repeat([]byte{200}, 15), 200),
		"not uniform":       append(bytes.Repeat([]byte{9}, 15), 2),
	} {
		ciphertext := make([]byte, len(padded))
		cipher.NewCBCEncrypter(keys.block(), keys.iv[:]).CryptBlocks(ciphertext, padded)
		if plaintext, err := keys.decrypt(ciphertext); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: opened %x, %v", name, plaintext, err)
		}
	}
	whole := bytes.Repeat([]byte{7}, 16)
	if plaintext, err := keys.decrypt(keys.encrypt(whole)); err != nil || !bytes.Equal(plaintext, whole) {
		t.Errorf("a whole block comes back as %x (%v)", plaintext, err)
	}
}

// The counter of the next message never overflows.
func TestLastCounter(t *testing.T) {
	c := chain{next: maxCounter - 1}
	if _, _, err := c.advance(nil, maxCounter+1); !errors.Is(err, ErrTooFarAhead) {
		t.Errorf("beyond the last counter: %v", err)
	}
	skipped, _, err := c.advance(nil, maxCounter)
	if err != nil || len(skipped) != 1 || c.next != maxCounter+1 {
		t.Errorf("the last counter: %d skipped, next %d, %v", len(skipped), c.next, err)
	}
	if _, _, err := c.advance(nil, maxCounter+1); !errors.Is(err, ErrTooFarAhead) {
		t.Errorf("after the last counter: %v", err)
	}
}
