// Package pow is the proof of work that a 2020 storage server asks for before it keeps a message: a nonce that makes
// a SHA-512 hash of the message small.
//
// It promises the numbers of the server to the last bit (client notes, section 2; node notes, section 3), an answer
// for every input including hostile ones, and that Solve finds the same nonce however many cores it uses.
// It is pure.
package pow

import (
	"crypto/sha512"
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// nonceSize is the length in bytes of the nonces that Solve makes.
const nonceSize = 8

// Message is what the work is done for: the parameters of a store request, each as the text that is sent. The server
// hashes the texts and not what they mean, so "086400000" and "86400000" are different messages.
type Message struct {
	PubKey    string // recipient's Session ID, hex
	Timestamp string // milliseconds since 1970, decimal
	TTL       string // milliseconds, decimal
	Data      string // base64
}

// Inner returns the hash of the message that every try starts from: SHA-512 of Timestamp, TTL, PubKey and Data
// without separators.
func (m Message) Inner() [sha512.Size]byte {
	payload := make([]byte, 0, m.PayloadLen())
	payload = append(payload, m.Timestamp...)
	payload = append(payload, m.TTL...)
	payload = append(payload, m.PubKey...)
	payload = append(payload, m.Data...)
	return sha512.Sum512(payload)
}

// PayloadLen returns the number of bytes that Inner hashes, which the difficulty depends on.
func (m Message) PayloadLen() int {
	return len(m.Timestamp) + len(m.TTL) + len(m.PubKey) + len(m.Data)
}

// Target returns the number that the first 8 bytes of a hash must stay below, for a message of payloadLen bytes
// (see PayloadLen) that is to be kept for ttlMillis milliseconds:
//
//	total  = payloadLen + 8
//	target = (2^64 - 1) / (difficulty * (total + ttlMillis/1000 * total / 65535))
//
// Every division drops the remainder. Difficulty 0 counts as 1. If the divisor exceeds 64 bits the target is 0,
// which no hash meets.
func Target(payloadLen int, ttlMillis, difficulty uint64) uint64 {
	divisor, ok := divisor(payloadLen, ttlMillis, difficulty)
	if !ok {
		return 0
	}
	return math.MaxUint64 / divisor
}

// Expected returns how many hashes it takes on average to meet Target: its divisor, or 2^64 - 1 if that is greater.
func Expected(payloadLen int, ttlMillis, difficulty uint64) uint64 {
	divisor, ok := divisor(payloadLen, ttlMillis, difficulty)
	if !ok {
		return math.MaxUint64
	}
	return divisor
}

// divisor returns false if the result exceeds 64 bits. It is never 0, because total is at least 8.
func divisor(payloadLen int, ttlMillis, difficulty uint64) (uint64, bool) {
	total := uint64(max(payloadLen, 0)) + nonceSize
	high, low := bits.Mul64(ttlMillis/1000, total)
	if high >= math.MaxUint16 {
		return 0, false
	}
	share, _ := bits.Div64(high, low, math.MaxUint16)
	size, carry := bits.Add64(total, share, 0)
	if carry != 0 {
		return 0, false
	}
	high, low = bits.Mul64(size, max(difficulty, 1))
	return low, high == 0
}

// Hash returns SHA-512 of nonce and inner (see Message.Inner). In lower-case hex it is the message's hash, the name
// under which nodes keep it. A nonce has 8 bytes by habit; servers take any length.
func Hash(nonce []byte, inner [sha512.Size]byte) [sha512.Size]byte {
	input := make([]byte, 0, 128)
	input = append(input, nonce...)
	input = append(input, inner[:]...)
	return sha512.Sum512(input)
}

// Meets reports whether the first 8 bytes of hash, big-endian, are below target. That is the server's rule; the 2020
// client also stops at a hash equal to target, which the server then refuses.
func Meets(hash [sha512.Size]byte, target uint64) bool {
	return binary.BigEndian.Uint64(hash[:]) < target
}

// Verify does what a server does with a store request: it returns the message's hash and whether nonce meets the
// target at difficulty. A TTL that is not a number meets none.
func Verify(m Message, nonce []byte, difficulty uint64) (hash [sha512.Size]byte, ok bool) {
	hash = Hash(nonce, m.Inner())
	ttlMillis, ok := parseTTL(m.TTL)
	if !ok {
		return hash, false
	}
	return hash, Meets(hash, Target(m.PayloadLen(), ttlMillis, difficulty))
}

// parseTTL reads a number as the server does, like C's strtol: blanks before it and anything behind it are skipped
// (node notes, section 2). Whether such a TTL is welcome is for the caller to say.
func parseTTL(text string) (uint64, bool) {
	text = strings.TrimLeft(text, " \t\n\v\f\r")
	text = strings.TrimPrefix(text, "+")
	notDigit := func(r rune) bool { return r < '0' || r > '9' }
	if end := strings.IndexFunc(text, notDigit); end >= 0 {
		text = text[:end]
	}
	ttlMillis, err := strconv.ParseUint(text, 10, 64)
	return ttlMillis, err == nil
}
