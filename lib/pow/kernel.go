package pow

import (
	"crypto/sha512"
	"encoding"
	"encoding/binary"
)

//go:generate go -C generate run . -out ../search_amd64.s -stubs ../search_amd64.go -pkg pow

// Kernel is a way to try nonces. All kernels find the same nonce; they differ in speed, and in the CPUs they run on.
type Kernel struct {
	name string
	// chunk is how many nonces a worker takes at a time: less than a tenth of a millisecond's work, because assembly
	// is not preempted, so that a cancelled search ends soon and every core has its share of an easy one.
	chunk uint64
	// search tries count nonces from start, counting on from 2^64 - 1 to 0. It returns how far from start the first
	// is whose hash is below target: count or more if there is none within count.
	search func(j *job, start, target, count uint64) (offset uint64)
}

// Name returns the kernel's name: "avx512", "avx2" or "portable".
func (k *Kernel) Name() string { return k.name }

// Kernels returns the kernels that this CPU can run, the fastest first. The last one is portable and always there.
func Kernels() []*Kernel {
	return append(assemblyKernels(), portable)
}

// Yardstick is the loop that anyone would write, which kernels are measured against: crypto/sha512 for each nonce.
// It is one more kernel, by the name of "crypto/sha512".
func Yardstick() *Kernel { return yardstick }

var yardstick = &Kernel{name: "crypto/sha512", chunk: 256, search: func(j *job, start, target, count uint64) uint64 {
	var input [nonceSize + sha512.Size]byte
	copy(input[nonceSize:], j.inner[:])
	for i := range count {
		binary.BigEndian.PutUint64(input[:], start+i)
		if Meets(sha512.Sum512(input[:]), target) {
			return i
		}
	}
	return count
}}

// portable hashes with crypto/sha512 as well, but pads the message once and for all. The hash is then the state after
// one block, which leaves out what crypto/sha512 does to finish a message of any length.
var portable = &Kernel{name: "portable", chunk: 256, search: func(j *job, start, target, count uint64) uint64 {
	digest := sha512.New()
	block := j.block()
	space := make([]byte, 0, 256)
	for i := range count {
		binary.BigEndian.PutUint64(block, start+i)
		digest.Reset()
		digest.Write(block)
		state, err := digest.(encoding.BinaryAppender).AppendBinary(space)
		if err != nil {
			panic(err) // the state of SHA-512 can always be written
		}
		if binary.BigEndian.Uint64(state[stateHeader:]) < target {
			return i
		}
	}
	return count
}}

// stateHeader is the length of what stands before the eight words in a state of crypto/sha512.
const stateHeader = len("sha\x07")
