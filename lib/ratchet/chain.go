package ratchet

import (
	"errors"
	"fmt"
	"math"
)

const (
	// MaxSkip bounds the message keys that one message may cause to be derived, its own included. A message whose
	// counter is MaxSkip or more beyond the expected one gives ErrTooFarAhead (signal-2020.md section 8.5).
	MaxSkip = 2000

	// maxCounter is the last counter of a chain. The counter of the next message therefore never overflows.
	maxCounter = math.MaxUint32 - 1
)

// The info strings of the key derivations (signal-2020.md section 8.1).
const (
	rootInfo    = "WhisperRatchet"
	messageInfo = "WhisperMessageKeys"
)

// The inputs of HMAC that derive a message key and the next chain key from a chain key (Double Ratchet, section 5.2).
var (
	messageSeed = []byte{1}
	chainSeed   = []byte{2}
)

// ErrTooFarAhead reports a message whose counter is too far beyond the received ones, or beyond the end of its chain.
var ErrTooFarAhead = errors.New("message is too far ahead")

// chain is a sending chain or a receiving chain: the symmetric-key ratchet (Double Ratchet, section 2.2).
type chain struct {
	key  key32
	next uint32 // counter of the next message
}

// step returns the message key of the next message and advances the chain key.
func (c *chain) step() key32 {
	messageKey := shortHMAC(&c.key, messageSeed)
	c.key = shortHMAC(&c.key, chainSeed)
	c.next++
	return messageKey
}

// skippedKey is the message key of a message that has not arrived yet.
type skippedKey struct {
	counter    uint32
	messageKey key32
}

// advance moves c beyond counter, which must not be below c.next. It returns the message key of counter and the skipped
// keys before it. If that takes more than MaxSkip keys it returns ErrTooFarAhead and does not change c.
func (c *chain) advance(counter uint32) (skipped []skippedKey, messageKey key32, err error) {
	if counter > maxCounter || counter-c.next >= MaxSkip {
		return nil, key32{}, fmt.Errorf("%w: counter %d, expected %d", ErrTooFarAhead, counter, c.next)
	}
	for c.next < counter {
		number := c.next
		skipped = append(skipped, skippedKey{number, c.step()})
	}
	return skipped, c.step(), nil
}

// stepRoot mixes a Diffie-Hellman output into the root key. It returns the next root key and a new chain (Double
// Ratchet, section 2.3).
func stepRoot(root *key32, shared key32) (next key32, fresh chain) {
	output := hkdf96(&shared, root, rootInfo)
	return output[0], chain{key: output[1]}
}
