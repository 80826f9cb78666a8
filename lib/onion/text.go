package onion

import (
	"crypto/cipher"
	"fmt"
	"io"
	"slices"
)

// layerText is the content of a layer, with room before and behind it: sealing it and framing it as the next layer's content
// move nothing.
type layerText struct {
	buffer []byte
	start  int // of the content
}

const (
	// layerBefore and layerBehind are the most that a layer of version 2 adds to its content: a length and the longest
	// nonce, and the longest tag and JSON object.
	layerBefore = lengthSize + 24
	layerBehind = 16 + 250
)

// newText returns an empty content with room for size bytes in so many layers.
func newText(size, layers int) *layerText {
	start := layers * layerBefore
	return &layerText{make([]byte, start, start+size+layers*layerBehind), start}
}

// content returns the content. The text must not be changed as long as it is used.
func (t *layerText) content() []byte { return t.buffer[t.start:] }

// before puts n bytes in front of the content, and returns them to be filled.
func (t *layerText) before(n int) []byte {
	if t.start < n {
		t.buffer = append(make([]byte, n, n+len(t.content())+layerBehind), t.content()...)
		t.start = n
	}
	t.start -= n
	return t.buffer[t.start : t.start+n]
}

// seal turns the content into nonce || ciphertext || tag. It reads the nonce from random.
func (t *layerText) seal(random io.Reader, aead cipher.AEAD) error {
	size := len(t.content())
	nonce := t.before(aead.NonceSize())
	if _, err := io.ReadFull(random, nonce); err != nil {
		return fmt.Errorf("reading randomness: %w", err)
	}
	t.buffer = slices.Grow(t.buffer, aead.Overhead())
	plaintext := t.buffer[len(t.buffer)-size:]
	sealed := aead.Seal(plaintext[:0], t.content()[:len(nonce)], plaintext, nil) // in place
	t.buffer = t.buffer[:len(t.buffer)-size+len(sealed)]
	return nil
}
