package pow

import (
	"context"
	"crypto/sha512"
	"errors"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	// chunksPerWorker is the expected work, in chunks, that justifies one more worker. To wake up another core and to
	// wait for its last chunk takes about the time of one chunk.
	chunksPerWorker = 8
	// chunksPerYield is the number of chunks between calls of runtime.Gosched. Without these calls other goroutines,
	// and the timers that end contexts, could wait long while every core searches. With them they wait a millisecond at
	// most.
	chunksPerYield = 8
	// chunksPerReport is the number of chunks between calls of Options.Progress.
	chunksPerReport = 256
)

// ErrUnreachable reports a target of 0, which no hash meets.
var ErrUnreachable = errors.New("difficulty is beyond what any proof of work can meet")

// Options are the options of Solve. The zero value uses every core and starts at nonce 0, like the 2020 client.
type Options struct {
	// Workers bounds the number of cores. 0 means all of Cores, or GOMAXPROCS. A search that is expected to be short
	// uses fewer.
	Workers int
	// Cores are shared with other searches. With nil the search does not wait for others.
	Cores *Cores
	// Kernel tries the nonces. nil means the fastest kernel that this CPU can run.
	Kernel *Kernel
	// Start is the first nonce to try.
	Start uint64
	// Progress, if set, is called repeatedly with the number of hashes started, and at the end with the number of all
	// hashes. It runs on the goroutine that called Solve, which also searches, so it must return soon.
	Progress func(hashes uint64)
}

// Cores is a number of cores that simultaneous searches share. A free core goes to the search that has waited longest:
// the earliest searches have all the cores that they can use.
type Cores struct {
	taken chan struct{}
}

// NewCores returns count cores, at least one.
func NewCores(count int) *Cores { return &Cores{taken: make(chan struct{}, max(count, 1))} }

// take waits for a core. It returns false if ctx or the search ends first. give releases the core.
func (c *Cores) take(ctx context.Context, over <-chan struct{}) bool {
	if c == nil {
		return true
	}
	select {
	case c.taken <- struct{}{}:
		return true
	case <-ctx.Done():
	case <-over:
	}
	return false
}

func (c *Cores) give() {
	if c != nil {
		<-c.taken
	}
}

// count is the number of workers of a search without Options.Workers.
func (c *Cores) count() int {
	if c == nil {
		return runtime.GOMAXPROCS(0)
	}
	return cap(c.taken)
}

// Solve returns the first nonce whose hash with inner meets target. It counts up from Start and wraps from 2^64 - 1 to
// 0. The result does not depend on the number of workers.
//
// Solve returns ErrUnreachable for target 0. If ctx ends before a nonce is found it returns ctx's error within a few
// milliseconds. All its goroutines have ended when it returns.
func Solve(ctx context.Context, inner [sha512.Size]byte, target uint64, options Options) (nonce uint64, err error) {
	if target == 0 {
		return 0, ErrUnreachable
	}
	kernel := options.Kernel
	if kernel == nil {
		kernel = Kernels()[0]
	}
	s := &search{kernel: kernel, job: newJob(inner), target: target, start: options.Start}
	s.found.Store(math.MaxUint64)

	cores, over := options.Cores, make(chan struct{})
	if !cores.take(ctx, over) {
		return 0, ctx.Err()
	}
	var others sync.WaitGroup
	for range s.workers(options.Workers, cores) - 1 {
		others.Go(func() {
			if cores.take(ctx, over) {
				defer cores.give()
				s.work(ctx, nil)
			}
		})
	}
	s.work(ctx, options.Progress)
	close(over)
	cores.give()
	others.Wait()
	if options.Progress != nil {
		options.Progress(s.taken.Load())
	}

	// Workers finish every chunk that they have taken, so that all lower chunks are finished too. The found nonce is
	// the lowest even if ctx has ended.
	if found := s.found.Load(); found != math.MaxUint64 {
		return s.start + found, nil
	}
	return 0, ctx.Err()
}

// search is the state of one call of Solve. It counts nonces from start, so that a lower count is an earlier nonce
// although nonces wrap around.
type search struct {
	kernel *Kernel
	job    *job
	target uint64
	start  uint64

	taken atomic.Uint64 // nonces that workers have taken
	found atomic.Uint64 // count of the earliest nonce found, or MaxUint64
}

// workers returns the number of workers to start: at most most, or the number of cores if most is 0.
func (s *search) workers(most int, cores *Cores) int {
	if most < 1 {
		most = cores.count()
	}
	expected := math.MaxUint64 / s.target
	return int(min(uint64(most), 1+expected/(chunksPerWorker*s.kernel.chunk)))
}

// work takes chunk after chunk until it finds a nonce, an earlier nonce is known, or ctx ends.
func (s *search) work(ctx context.Context, progress func(hashes uint64)) {
	chunk := s.kernel.chunk
	for done := 1; ctx.Err() == nil; done++ {
		first := s.taken.Add(chunk) - chunk
		if first > s.found.Load() {
			return
		}
		if offset := s.kernel.search(s.job, s.start+first, s.target, chunk); offset < chunk {
			s.keep(first + offset)
			return
		}
		if done%chunksPerYield == 0 {
			runtime.Gosched()
		}
		if progress != nil && done%chunksPerReport == 0 {
			progress(s.taken.Load())
		}
	}
}

// keep lowers found to count if count is lower.
func (s *search) keep(count uint64) {
	for {
		found := s.found.Load()
		if count >= found || s.found.CompareAndSwap(found, count) {
			return
		}
	}
}
