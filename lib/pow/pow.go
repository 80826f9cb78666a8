// Package pow is the proof of work that a 2020 storage server requires before it stores a message: a nonce with which a
// SHA-512 hash of the message is below a target.
//
// It promises the server's targets and hashes for every input (signal-2020.md section 2.2; storage-2.0.md section 3),
// and that Solve returns the same nonce for any number of cores and any CPU. It is pure: nonces are counted, not
// random.
//
// A kernel tries the nonces. There are kernels in assembly for AVX-512 and AVX2, which the program in generate writes,
// and one in portable Go. Solve uses the fastest one that the CPU can run. The build tag purego leaves the assembly
// out. For one run GODEBUG=cpu.avx512f=off,cpu.avx2=off has the same effect.
package pow

import (
	"crypto/sha512"
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// nonceSize is the length in bytes of the nonces of Solve.
const nonceSize = 8

// Message has the parameters of a store request that the proof of work covers, each as the text of the request. The
// server hashes these texts, so that "086400000" and "86400000" give different messages.
type Message struct {
	PubKey    string // recipient's Session ID, hex
	Timestamp string // milliseconds since 1970, decimal
	TTL       string // milliseconds, decimal
	Data      string // base64
}

// Inner returns the inner hash, which does not depend on the nonce: SHA-512 of Timestamp, TTL, PubKey and Data without
// separators.
func (m Message) Inner() [sha512.Size]byte {
	payload := make([]byte, 0, m.PayloadLen())
	payload = append(payload, m.Timestamp...)
	payload = append(payload, m.TTL...)
	payload = append(payload, m.PubKey...)
	payload = append(payload, m.Data...)
	return sha512.Sum512(payload)
}

// PayloadLen returns the number of bytes that Inner hashes. The target depends on it.
func (m Message) PayloadLen() int {
	return len(m.Timestamp) + len(m.TTL) + len(m.PubKey) + len(m.Data)
}

// Target returns the target of a message of payloadLen bytes (see [Message.PayloadLen]) with a TTL in milliseconds. The
// first 8 bytes of the message's hash must be below it:
//
//	total  = payloadLen + 8
//	target = (2^64 - 1) / (difficulty * (total + ttlMillis/1000 * total / 65535))
//
// Every division drops the remainder. Difficulty 0 counts as 1. If the divisor exceeds 64 bits the target is 0, which
// no hash meets.
func Target(payloadLen int, ttlMillis, difficulty uint64) uint64 {
	divisor, ok := divisor(payloadLen, ttlMillis, difficulty)
	if !ok {
		return 0
	}
	return math.MaxUint64 / divisor
}

// Expected returns the average number of hashes to meet [Target]: its divisor, or 2^64 - 1 if the divisor is greater.
func Expected(payloadLen int, ttlMillis, difficulty uint64) uint64 {
	divisor, ok := divisor(payloadLen, ttlMillis, difficulty)
	if !ok {
		return math.MaxUint64
	}
	return divisor
}

// divisor returns the divisor of Target, or false if it exceeds 64 bits. It is never 0, because total is at least 8.
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

// Hash returns SHA-512 of nonce and inner (see [Message.Inner]). In lower-case hex it is the message hash, which
// identifies the message at nodes. Clients make nonces of 8 bytes. Servers accept any length.
func Hash(nonce []byte, inner [sha512.Size]byte) [sha512.Size]byte {
	input := make([]byte, 0, 128)
	input = append(input, nonce...)
	input = append(input, inner[:]...)
	return sha512.Sum512(input)
}

// Meets reports whether the first 8 bytes of hash, big-endian, are below target. This is the server's rule. The 2020
// client also accepts a hash equal to target, which the server refuses.
func Meets(hash [sha512.Size]byte, target uint64) bool {
	return binary.BigEndian.Uint64(hash[:]) < target
}

// Verify checks the nonce of a store request like a server. It returns the message hash, and whether it meets the
// target at difficulty. With a TTL that is not a number no hash does.
func Verify(m Message, nonce []byte, difficulty uint64) (hash [sha512.Size]byte, ok bool) {
	hash = Hash(nonce, m.Inner())
	ttlMillis, ok := parseTTL(m.TTL)
	if !ok {
		return hash, false
	}
	return hash, Meets(hash, Target(m.PayloadLen(), ttlMillis, difficulty))
}

// parseTTL reads a number like the server and C's strtol: it skips blanks before the number and any text behind it
// (storage-2.0.md section 2.4). The caller checks the bounds of the TTL.
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
