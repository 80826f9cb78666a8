// Package blake2b computes BLAKE2b (RFC 7693) with a personalisation, which golang.org/x/crypto/blake2b does not
// offer (session-v2.md section 1).
//
// The compression function is that of golang.org/x/crypto/blake2b. Only the initial state differs: the package writes
// the parameter block of RFC 7693, section 2.5 into an encoded state, which UnmarshalBinary of that package reads.
package blake2b

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"hash"

	"golang.org/x/crypto/blake2b"
)

const (
	// MaxSize is the greatest length of a digest and of a key in bytes.
	MaxSize = blake2b.Size
	// PersonalSize is the length of a personalisation in bytes.
	PersonalSize = 16
)

// The state that UnmarshalBinary reads: the magic, eight words of h and two of the counter in big-endian, the digest
// size, one block of input, and how much of that block is filled.
const (
	stateMagic = "b2b"
	stateSize  = len(stateMagic) + 8*8 + 2*8 + 1 + blake2b.BlockSize + 1
)

var iv = [8]uint64{
	0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
	0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
}

// Sum returns the digest of size bytes of the concatenated parts. The key may be empty. The personalisation has
// PersonalSize bytes or is empty. Sum panics on a size, a key or a personalisation of another length: all three are
// constants of a protocol.
func Sum(size int, key []byte, personal string, parts ...[]byte) []byte {
	digest := start(size, len(key), personal)
	if len(key) > 0 {
		var block [blake2b.BlockSize]byte
		copy(block[:], key)
		digest.Write(block[:])
	}
	for _, part := range parts {
		digest.Write(part)
	}
	return digest.Sum(nil)
}

// start returns the hash before any input.
func start(size, keySize int, personal string) hash.Hash {
	if size < 1 || size > MaxSize || keySize > MaxSize || (personal != "" && len(personal) != PersonalSize) {
		panic(fmt.Sprintf("blake2b: size %d, key of %d bytes, personalisation %q", size, keySize, personal))
	}
	h := iv
	h[0] ^= uint64(size) | uint64(keySize)<<8 | 1<<16 | 1<<24 // fan-out and depth are 1: no tree
	if personal != "" {
		h[6] ^= binary.LittleEndian.Uint64([]byte(personal[:8]))
		h[7] ^= binary.LittleEndian.Uint64([]byte(personal[8:]))
	}

	state := make([]byte, 0, stateSize)
	state = append(state, stateMagic...)
	for _, word := range h {
		state = binary.BigEndian.AppendUint64(state, word)
	}
	state = append(state, make([]byte, 2*8)...)
	state = append(state, byte(size))
	state = state[:stateSize] // an empty block

	digest, err := blake2b.New(size, nil)
	if err == nil {
		err = digest.(encoding.BinaryUnmarshaler).UnmarshalBinary(state)
	}
	if err != nil {
		panic("blake2b: " + err.Error()) // only if golang.org/x/crypto changed its state
	}
	return digest
}
