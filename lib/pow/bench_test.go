package pow

import (
	"context"
	"crypto/sha512"
	"errors"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"
)

// BenchmarkKernel counts one hash as one operation. Kernel and crypto/sha512 loop run alternately, so that other load
// on the machine has little effect on their ratio. A kernel does not check its context within a chunk.
func BenchmarkKernel(b *testing.B) {
	j := newJob([sha512.Size]byte{})
	for _, kernel := range Kernels() {
		b.Run(kernel.name, func(b *testing.B) {
			var spent, plain time.Duration
			for start := uint64(0); start < uint64(b.N); start += kernel.chunk {
				spent += timed(func() { kernel.search(j, start, 1, kernel.chunk) })
				b.StopTimer()
				plain += timed(func() { yardstick.search(j, start, 1, kernel.chunk) })
				b.StartTimer()
			}
			b.ReportMetric(float64(plain)/float64(spent), "ratio")
			b.ReportMetric(float64(spent.Microseconds())*float64(kernel.chunk)/float64(b.N), "µs/chunk")
		})
	}
}

// BenchmarkJob solves messages of 2 kB with a TTL of four days at difficulty 10, on one core. The ratio is its time
// divided by that of the crypto/sha512 loop for the same message.
func BenchmarkJob(b *testing.B) {
	target := Target(2000, 4*24*3600*1000, 10)
	solve := func(inner [sha512.Size]byte, kernel *Kernel) {
		if _, err := Solve(b.Context(), inner, target, Options{Workers: 1, Kernel: kernel}); err != nil {
			b.Fatal(err)
		}
	}
	for _, kernel := range Kernels() {
		b.Run(kernel.name, func(b *testing.B) {
			var spent, plain time.Duration
			for i := range b.N {
				inner := Message{Data: strconv.Itoa(i)}.Inner()
				spent += timed(func() { solve(inner, kernel) })
				b.StopTimer()
				plain += timed(func() { solve(inner, yardstick) })
				b.StartTimer()
			}
			b.ReportMetric(float64(spent)/float64(plain), "ratio")
		})
	}
}

func timed(work func()) time.Duration {
	started := time.Now()
	work()
	return time.Since(started)
}

// BenchmarkCancel reports the median time from the end of the context to the return of a search on all cores.
func BenchmarkCancel(b *testing.B) {
	var late []time.Duration
	for b.Loop() {
		ctx, cancel := context.WithTimeout(b.Context(), 20*time.Millisecond)
		deadline, _ := ctx.Deadline()
		if _, err := Solve(ctx, [sha512.Size]byte{}, 1, Options{}); !errors.Is(err, context.DeadlineExceeded) {
			b.Fatal(err)
		}
		late = append(late, time.Since(deadline))
		cancel()
	}
	slices.Sort(late)
	b.ReportMetric(float64(late[len(late)/2].Microseconds()), "µs-late")
}

// BenchmarkSolve solves random messages alternately with one worker and with all cores. The ratio is the time of one
// worker divided by that of all cores. In the worst case, in which more workers do not pay, it is slightly below 1.
func BenchmarkSolve(b *testing.B) {
	for _, expected := range []uint64{100, 1000, 10_000, 100_000} {
		b.Run(strconv.FormatUint(expected, 10), func(b *testing.B) {
			solve := func(i, workers int) {
				options := Options{Workers: workers, Start: uint64(i) << 32}
				if _, err := Solve(b.Context(), [sha512.Size]byte{}, math.MaxUint64/expected, options); err != nil {
					b.Fatal(err)
				}
			}
			var one, all time.Duration
			for i := range b.N {
				all += timed(func() { solve(i, 0) })
				b.StopTimer()
				one += timed(func() { solve(i, 1) })
				b.StartTimer()
			}
			b.ReportMetric(float64(one)/float64(all), "ratio")
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	m := Message{
		PubKey:    string(make([]byte, 66)),
		Timestamp: "1581400000000",
		TTL:       "86400000",
		Data:      string(make([]byte, 400)),
	}
	nonce := make([]byte, nonceSize)
	for b.Loop() {
		Verify(m, nonce, 1)
	}
}
