package pow

import (
	"crypto/sha512"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// TestKernelsOnRandomInputs compares every kernel with the yardstick. Emulated kernels are slow and get fewer inputs.
func TestKernelsOnRandomInputs(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 12))
	test := func(kernel *Kernel, inputs int) {
		t.Run(kernel.name, func(t *testing.T) {
			for range inputs {
				start := random.Uint64()
				if random.IntN(4) == 0 {
					start = -start % 64 // not long before the nonces wrap around, or not long after
				}
				target := math.MaxUint64 / (1 + random.Uint64N(40))
				checkKernel(t, kernel, newJob(randomInner(random)), start, target, random.Uint64N(80))
			}
		})
	}
	for _, kernel := range Kernels() {
		test(kernel, 5000)
	}
	few := 400
	if testing.Short() {
		few = 40
	}
	for _, kernel := range emulated(t) {
		test(kernel, few)
	}
}

// TestKernelsEdges has the first hit in every lane and in none, later hits, counts that end anywhere in a batch, nonces
// that wrap around, and targets equal to the hash, which it does not meet, or greater by one.
func TestKernelsEdges(t *testing.T) {
	const span = 40
	j := newJob(Message{Data: "edges"}.Inner())
	for _, first := range []uint64{0, math.MaxUint64 - span/2} {
		targets := []uint64{0, 1, math.MaxUint64, math.MaxUint64 / 2}
		for i := range uint64(span) {
			hash := Hash(binary.BigEndian.AppendUint64(nil, first+i), j.inner)
			head := binary.BigEndian.Uint64(hash[:])
			targets = append(targets, head, head+1)
		}
		for _, kernel := range Kernels() {
			for skipped := range uint64(span) {
				for _, target := range targets {
					checkKernel(t, kernel, j, first+skipped, target, span-skipped)
				}
			}
		}
		for _, kernel := range emulated(t) {
			for i, target := range targets {
				checkKernel(t, kernel, j, first+uint64(i%16), target, uint64(span-i%24))
			}
		}
	}
}

// TestChunks: Solve needs chunks that are a multiple of the kernels' batches.
func TestChunks(t *testing.T) {
	for _, kernel := range append(Kernels(), yardstick) {
		if kernel.chunk == 0 || kernel.chunk%16 != 0 {
			t.Errorf("%s takes %d nonces at a time", kernel.name, kernel.chunk)
		}
	}
}

// FuzzKernels compares every kernel with the yardstick.
func FuzzKernels(f *testing.F) {
	f.Add([]byte(nil), uint64(0), uint64(0), uint16(100))
	f.Add([]byte("inner"), uint64(math.MaxUint64-7), uint64(math.MaxUint64), uint16(1))
	f.Add([]byte("inner"), uint64(math.MaxUint64-7), uint64(math.MaxUint64/100), uint16(1000))
	f.Add([]byte("inner"), uint64(1<<63-3), uint64(1<<63), uint16(17))
	kernels := append(Kernels(), emulated(f)...)
	f.Fuzz(func(t *testing.T, message []byte, start, target uint64, count uint16) {
		j := newJob(sha512.Sum512(message))
		for _, kernel := range kernels {
			checkKernel(t, kernel, j, start, target, uint64(count)%200)
		}
	})
}

// checkKernel compares a kernel with the yardstick.
func checkKernel(t *testing.T, kernel *Kernel, j *job, start, target, count uint64) {
	t.Helper()
	want := yardstick.search(j, start, target, count)
	got := kernel.search(j, start, target, count)
	if want == count && got >= count {
		return // neither found one
	}
	if got != want {
		t.Fatalf("%s: %d nonces from %d, target %d, inner hash %x: got %d, want %d", kernel.name, count, start, target,
			j.inner, got, want)
	}
}

func randomInner(random *rand.Rand) (inner [sha512.Size]byte) {
	for i := range inner {
		inner[i] = byte(random.Uint32())
	}
	return inner
}
