package ratchet

import (
	"errors"
	"fmt"
	"math"
)

const (
	// MaxSkip is how many message keys one message may make us derive, its own included: a message whose counter is
	// MaxSkip or more beyond the next one expected is refused (signal-2020.md section 8.5).
	MaxSkip = 2000

	// maxCounter is the last counter that a chain uses, so that the counter of the next message never overflows.
	maxCounter = math.MaxUint32 - 1
)

// What the keys are derived for (signal-2020.md section 8.1).
const (
	rootInfo    = "WhisperRatchet"
	messageInfo = "WhisperMessageKeys"
)

// The inputs that turn a chain key into a message key and into the next chain key (Double Ratchet, section 5.2).
var (
	messageSeed = []byte{1}
	chainSeed   = []byte{2}
)

// ErrTooFarAhead reports a message whose counter is too far beyond those received, or beyond the end of its chain.
var ErrTooFarAhead = errors.New("message is too far ahead")

// chain is a sending or receiving chain: the symmetric-key ratchet (Double Ratchet, section 2.2).
type chain struct {
	key  key32
	next uint32 // counter of the next message
}

// step returns the key of the next message and moves on.
func (c *chain) step() key32 {
	messageKey := shortHMAC(&c.key, messageSeed)
	c.key = shortHMAC(&c.key, chainSeed)
	c.next++
	return messageKey
}

// skippedKey is the key of a message that has not arrived yet.
type skippedKey struct {
	counter    uint32
	messageKey key32
}

// advance moves c beyond counter, which is not behind c. It returns the key of counter and those skipped on the way to it.
// It returns ErrTooFarAhead, and c stays, if that would take more than MaxSkip keys.
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

// stepRoot mixes a Diffie-Hellman result into the root key. It returns the next root key and the key of a new chain
// (Double Ratchet, section 2.3).
func stepRoot(root *key32, shared key32) (next key32, fresh chain) {
	output := hkdf96(&shared, root, rootInfo)
	return output[0], chain{key: output[1]}
}
