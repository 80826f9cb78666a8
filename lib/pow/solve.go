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
	// chunksPerWorker is how much of the expected work justifies one more worker. Waking another core up, and waiting
	// for its last chunk in the end, takes about one chunk's time.
	chunksPerWorker = 8
	// chunksPerYield spaces the offers to let other goroutines run, and the timers that end contexts, which might
	// otherwise wait for long where every core searches: it makes them wait for a millisecond at most.
	chunksPerYield = 8
	// chunksPerReport spaces the calls of Options.Progress.
	chunksPerReport = 256
)

// ErrUnreachable reports a target of 0, which no hash is below.
var ErrUnreachable = errors.New("difficulty is beyond what any proof of work can meet")

// Options say how Solve searches. The zero value uses every core and starts at nonce 0, as the 2020 client does.
type Options struct {
	// Workers is how many cores search at most; 0 means all of Cores, or GOMAXPROCS. A search that is expected to be
	// short uses fewer.
	Workers int
	// Cores are shared with other searches; nil means that this search does not care for others.
	Cores *Cores
	// Kernel tries the nonces; nil means the fastest that this CPU can run.
	Kernel *Kernel
	// Start is the first nonce tried.
	Start uint64
	// Progress, if set, is called now and then with the number of hashes begun so far, and once more with all of
	// them when the search is over. It runs on the goroutine that called Solve, which does its share of the work, so
	// it should return soon.
	Progress func(hashes uint64)
}

// Cores is a number of cores that searches share, which may run at the same time. A core goes to the search that has
// waited for it longest: of searches begun one after the other, the earliest have all the cores that they can use.
type Cores struct {
	taken chan struct{}
}

// NewCores returns count cores, at least one.
func NewCores(count int) *Cores { return &Cores{taken: make(chan struct{}, max(count, 1))} }

// take waits for a core, and reports false if ctx or the search ended first. The other end is give.
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

// count is how many workers make sense where Options do not say it.
func (c *Cores) count() int {
	if c == nil {
		return runtime.GOMAXPROCS(0)
	}
	return cap(c.taken)
}

// Solve returns the first nonce, counting up from Start and on from 2^64 - 1 to 0, whose hash with inner meets
// target. The result does not depend on the number of workers.
//
// It returns ErrUnreachable for target 0, and ctx's error if ctx ends before a nonce is found, a few milliseconds
// after that at most. No goroutine is left behind.
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

	// A chunk that was taken is always finished, and so are all below it: what was found is the lowest even if
	// ctx has ended.
	if found := s.found.Load(); found != math.MaxUint64 {
		return s.start + found, nil
	}
	return 0, ctx.Err()
}

// search is the work of one Solve. Nonces are counted from start, so that a lower count is always the earlier nonce
// although nonces wrap around.
type search struct {
	kernel *Kernel
	job    *job
	target uint64
	start  uint64

	taken atomic.Uint64 // nonces handed out so far
	found atomic.Uint64 // the earliest nonce found, MaxUint64 if none
}

// workers returns how many workers to start, of most at the most, or as many as there are cores if most is 0.
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

// keep lowers found to count.
func (s *search) keep(count uint64) {
	for {
		found := s.found.Load()
		if count >= found || s.found.CompareAndSwap(found, count) {
			return
		}
	}
}
