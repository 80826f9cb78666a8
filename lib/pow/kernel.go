package pow

import (
	"crypto/sha512"
	"encoding"
	"encoding/binary"
)

//go:generate go -C generate run . -out ../search_amd64.s -stubs ../search_amd64.go -pkg pow

// Kernel is an implementation of the search. All kernels find the same nonce. They differ in speed and in the CPUs that
// they run on.
type Kernel struct {
	name string
	// chunk is the number of nonces that a worker takes at a time. It is less than a tenth of a millisecond's work,
	// because the runtime cannot preempt assembly: a cancelled search must end soon, and all cores must share a short
	// search.
	chunk uint64
	// search tries count nonces from start, and wraps from 2^64 - 1 to 0. It returns the distance from start of the
	// first nonce whose hash is below target, or count or more if none of the count nonces meets it.
	search func(j *job, start, target, count uint64) (offset uint64)
}

// Name returns the kernel's name: "avx512", "avx2" or "portable".
func (k *Kernel) Name() string { return k.name }

// Kernels returns the kernels that this CPU can run, the fastest first. The last one is portable.
func Kernels() []*Kernel {
	return append(assemblyKernels(), portable)
}

// Yardstick returns the kernel against which others are measured, with the name "crypto/sha512": a plain loop that
// calls crypto/sha512 for each nonce.
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

// portable also uses crypto/sha512, but pads the message only once. The hash is then the state after one block, without
// the work of crypto/sha512 to finish a message of any length.
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
			panic(err) // SHA-512 can always encode its state
		}
		if binary.BigEndian.Uint64(state[stateHeader:]) < target {
			return i
		}
	}
	return count
}}

// stateHeader is the length of the header before the eight words in an encoded state of crypto/sha512.
const stateHeader = len("sha\x07")
