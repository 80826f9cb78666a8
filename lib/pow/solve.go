package pow

import (
	"context"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	// chunk is how many nonces a worker takes at a time: about a tenth of a millisecond for the portable kernel, so
	// that a cancelled search ends soon, and that every core has its share of even the easiest one.
	chunk = 256
	// chunksPerReport spaces the calls of Options.Progress.
	chunksPerReport = 256
)

// ErrUnreachable reports a target of 0, which no hash is below.
var ErrUnreachable = errors.New("difficulty is beyond what any proof of work can meet")

// Options say how Solve searches. The zero value uses every core and starts at nonce 0, as the 2020 client does.
type Options struct {
	// Workers is the number of nonces tried at the same time; 0 means GOMAXPROCS.
	Workers int
	// Start is the first nonce tried.
	Start uint64
	// Progress, if set, is called now and then with the number of hashes begun so far. It runs on the goroutine
	// that called Solve, which does its share of the work, so it should return soon.
	Progress func(hashes uint64)
}

// Solve returns the first nonce, counting up from Start and on from 2^64 - 1 to 0, whose hash with inner meets
// target. The result does not depend on the number of workers.
//
// It returns ErrUnreachable for target 0, and ctx's error if ctx ends before a nonce is found. No goroutine is
// left behind.
func Solve(ctx context.Context, inner [sha512.Size]byte, target uint64, options Options) (nonce uint64, err error) {
	return solve(ctx, portable, inner, target, options)
}

func solve(ctx context.Context, try kernel, inner [sha512.Size]byte, target uint64, options Options) (uint64, error) {
	if target == 0 {
		return 0, ErrUnreachable
	}
	workers := options.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	s := &search{try: try, inner: inner, target: target, start: options.Start}
	s.found.Store(math.MaxUint64)

	var others sync.WaitGroup
	for range workers - 1 {
		others.Go(func() { s.work(ctx, nil) })
	}
	s.work(ctx, options.Progress)
	others.Wait()

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
	try    kernel
	inner  [sha512.Size]byte
	target uint64
	start  uint64

	taken atomic.Uint64 // nonces handed out so far
	found atomic.Uint64 // the earliest nonce found, MaxUint64 if none
}

// work takes chunk after chunk until it finds a nonce, an earlier nonce is known, or ctx ends.
func (s *search) work(ctx context.Context, progress func(hashes uint64)) {
	for done := 1; ctx.Err() == nil; done++ {
		first := s.taken.Add(chunk) - chunk
		if first > s.found.Load() {
			return
		}
		if nonce, ok := s.try(&s.inner, s.start+first, chunk, s.target); ok {
			s.keep(nonce - s.start)
			return
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

// kernel tries count nonces from start upwards and returns the first whose hash meets target.
type kernel func(inner *[sha512.Size]byte, start, count, target uint64) (nonce uint64, found bool)

// portable is the kernel for every machine.
func portable(inner *[sha512.Size]byte, start, count, target uint64) (nonce uint64, found bool) {
	var input [nonceSize + sha512.Size]byte
	copy(input[nonceSize:], inner[:])
	for i := range count {
		binary.BigEndian.PutUint64(input[:], start+i)
		if Meets(sha512.Sum512(input[:]), target) {
			return start + i, true
		}
	}
	return 0, false
}
