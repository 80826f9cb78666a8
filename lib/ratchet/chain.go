package ratchet

import (
	"errors"
	"fmt"
	"math"
)

const (
	// MaxSkip bounds the steps of a receiving chain that a message costs, that of its own key included. A message whose
	// counter is MaxSkip or more beyond the expected one is far ahead: the real client refuses it (signal-2020.md
	// section 8.5), and this package opens it only within an [Effort].
	MaxSkip = 2000

	// MaxAhead bounds the steps of a message that is far ahead. A step is one HMAC, 0.6 microseconds of a core.
	MaxAhead = 1 << 17

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

// advance moves c beyond counter, which must not be below c.next, if effort affords the steps. It returns the message
// key of counter and the skipped keys before it, at most the last MaxSkippedKeys of them. Otherwise it returns
// ErrTooFarAhead and does not change c.
func (c *chain) advance(effort *Effort, counter uint32) (skipped []skippedKey, messageKey key32, err error) {
	if counter > maxCounter || !effort.take(counter-c.next+1) {
		return nil, key32{}, fmt.Errorf("%w: counter %d, expected %d", ErrTooFarAhead, counter, c.next)
	}
	for counter-c.next > MaxSkippedKeys {
		c.key = shortHMAC(&c.key, chainSeed)
		c.next++
	}
	for c.next < counter {
		number := c.next
		skipped = append(skipped, skippedKey{number, c.step()})
	}
	return skipped, c.step(), nil
}

// Effort bounds the steps that messages far ahead may cost, whether they prove authentic or not. A nil Effort affords
// none. Messages that need no more than MaxSkip steps are not counted.
type Effort struct{ left int }

// NewEffort returns an effort of this many steps.
func NewEffort(steps int) *Effort { return &Effort{left: steps} }

// take reports whether steps are affordable, and counts them if they are.
func (e *Effort) take(steps uint32) bool {
	switch {
	case steps <= MaxSkip:
		return true
	case e == nil, steps > MaxAhead, int(steps) > e.left:
		return false
	}
	e.left -= int(steps)
	return true
}

// stepRoot mixes a Diffie-Hellman output into the root key. It returns the next root key and a new chain (Double
// Ratchet, section 2.3).
func stepRoot(root *key32, shared key32) (next key32, fresh chain) {
	output := hkdf96(&shared, root, rootInfo)
	return output[0], chain{key: output[1]}
}
