package pow

import (
	"crypto/sha512"
	"encoding/binary"
	"math/bits"
)

const (
	// prefixWords is the number of words of SHA-512's message schedule that kernels compute one by one, each with its
	// fixed part computed in advance.
	prefixWords = 32
	// bitLength is the length of the hashed message in bits: the last word of its padding.
	bitLength = 8 * (nonceSize + sha512.Size)
)

// job has the input of a search, and all intermediate values that do not depend on the nonce. The hashed message is one
// padded block of 16 words: the nonce, the inner hash, the bit 1, zeros, and the length in bits.
//
// Names are those of FIPS 180-4, section 6.4.2. In the rounds 1 to 3 the variable h is a word of the initial hash.
type job struct {
	inner [sha512.Size]byte

	// variables are a to h after round 0 without the nonce. A kernel adds the nonce to a and e.
	variables [8]uint64
	// rounds has the fixed part of T1 in each round: K, the word if it does not depend on the nonce, and h in rounds 1
	// to 3. In the last round it includes the first word of the initial hash, so that a is then the first word of the
	// hash. Round 0 is in variables.
	rounds [80]uint64
	// words has the fixed part of each word of the message schedule, from word 16 on.
	words [prefixWords]uint64
}

func newJob(inner [sha512.Size]byte) *job {
	j := &job{inner: inner}
	var word [prefixWords]uint64 // 0 for words that depend on the nonce; σ0 and σ1 of 0 are 0
	var fixed [prefixWords]bool
	block := j.block()
	for t := 1; t < 16; t++ {
		word[t], fixed[t] = binary.BigEndian.Uint64(block[8*t:]), true
	}
	for t := 16; t < prefixWords; t++ {
		j.words[t] = smallSigma1(word[t-2]) + word[t-7] + smallSigma0(word[t-15]) + word[t-16]
		if fixed[t-2] && fixed[t-7] && fixed[t-15] && fixed[t-16] {
			word[t], fixed[t] = j.words[t], true
		}
	}
	for t := range j.rounds {
		j.rounds[t] = roundConstants[t]
		if t < prefixWords {
			j.rounds[t] += word[t]
		}
	}
	h := initialHash
	for t := 1; t <= 3; t++ {
		j.rounds[t] += h[7-t]
	}
	j.rounds[79] += h[0]

	t1 := h[7] + bigSigma1(h[4]) + ch(h[4], h[5], h[6]) + roundConstants[0]
	t2 := bigSigma0(h[0]) + maj(h[0], h[1], h[2])
	j.variables = [8]uint64{t1 + t2, h[0], h[1], h[2], h[3] + t1, h[4], h[5], h[6]}
	return j
}

// block returns the padded message. The first 8 bytes are for the nonce.
func (j *job) block() []byte {
	block := make([]byte, sha512.BlockSize)
	end := nonceSize + copy(block[nonceSize:], j.inner[:])
	block[end] = 0x80
	binary.BigEndian.PutUint64(block[sha512.BlockSize-8:], bitLength)
	return block
}

// The functions of FIPS 180-4, section 4.1.3.

func ch(x, y, z uint64) uint64    { return x&y ^ ^x&z }
func maj(x, y, z uint64) uint64   { return x&y ^ x&z ^ y&z }
func bigSigma0(x uint64) uint64   { return rotr(x, 28) ^ rotr(x, 34) ^ rotr(x, 39) }
func bigSigma1(x uint64) uint64   { return rotr(x, 14) ^ rotr(x, 18) ^ rotr(x, 41) }
func smallSigma0(x uint64) uint64 { return rotr(x, 1) ^ rotr(x, 8) ^ x>>7 }
func smallSigma1(x uint64) uint64 { return rotr(x, 19) ^ rotr(x, 61) ^ x>>6 }
func rotr(x uint64, n int) uint64 { return bits.RotateLeft64(x, -n) }

// initialHash is H(0) (FIPS 180-4, section 5.3.5).
var initialHash = [8]uint64{
	0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
	0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
}

// roundConstants are K(0) to K(79) (FIPS 180-4, section 4.2.3).
var roundConstants = [80]uint64{
	0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
	0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
	0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
	0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
	0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
	0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
	0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
	0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
	0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
	0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
	0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
	0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
	0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
	0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
	0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
	0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
	0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
	0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
	0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
	0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
}
