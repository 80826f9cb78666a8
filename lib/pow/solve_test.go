package pow

import (
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"testing"
)

// firstNonce is Solve without any haste.
func firstNonce(inner [sha512.Size]byte, target, start uint64) uint64 {
	for nonce := start; ; nonce++ {
		text, _ := DecodeNonce(EncodeNonce(nonce))
		if Meets(Hash(text, inner), target) {
			return nonce
		}
	}
}

func TestSolveFindsFirstNonce(t *testing.T) {
	starts := []uint64{0, 1, 12345, math.MaxUint64 - 5}
	for _, expected := range []uint64{1, 100, 5000, 20000} {
		target := math.MaxUint64 / expected
		inner := Message{Data: fmt.Sprint(expected)}.Inner()
		for _, start := range starts {
			want := firstNonce(inner, target, start)
			for _, workers := range []int{0, 1, 2, 3, 8} {
				got, err := Solve(t.Context(), inner, target, Options{Workers: workers, Start: start})
				if err != nil || got != want {
					t.Errorf("%d hashes expected, from %d, %d workers: got %d, %v, want %d", expected, start, workers, got, err, want)
				}
			}
		}
	}
}

// TestSolvePrefersLowerChunk has the second chunk done before the first, with a nonce in both.
func TestSolvePrefersLowerChunk(t *testing.T) {
	const start = 1000
	secondDone := make(chan struct{})
	try := func(_ *[sha512.Size]byte, first, count, _ uint64) (uint64, bool) {
		if first == start {
			<-secondDone
			return first + 7, true
		}
		if first == start+chunk {
			defer close(secondDone)
		}
		return first + 3, true
	}
	got, err := solve(t.Context(), try, [sha512.Size]byte{}, 1, Options{Workers: 4, Start: start})
	if err != nil || got != start+7 {
		t.Errorf("got %d, %v, want %d", got, err, start+7)
	}
}

// TestSolveFoundWhileCancelled: the chunk at work when ctx ends still counts.
func TestSolveFoundWhileCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	try := func(_ *[sha512.Size]byte, first, _, _ uint64) (uint64, bool) {
		cancel()
		return first + 5, first == 0
	}
	got, err := solve(ctx, try, [sha512.Size]byte{}, 1, Options{Workers: 1})
	if err != nil || got != 5 {
		t.Errorf("got %d, %v", got, err)
	}
}

func TestSolveCancelled(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, workers := range []int{1, 4} {
		ctx, cancel := context.WithCancel(t.Context())
		last := uint64(0)
		progress := func(hashes uint64) {
			if hashes <= last {
				t.Errorf("progress went from %d to %d", last, hashes)
			}
			last = hashes
			cancel()
		}
		// Target 1 is met once in 2^64 hashes.
		_, err := Solve(ctx, [sha512.Size]byte{}, 1, Options{Workers: workers, Progress: progress})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%d workers: got %v", workers, err)
		}
		if last == 0 {
			t.Errorf("%d workers: no progress was reported", workers)
		}
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
}

func TestSolveOfEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var tried atomic.Bool
	try := func(*[sha512.Size]byte, uint64, uint64, uint64) (uint64, bool) {
		tried.Store(true)
		return 0, true
	}
	if _, err := solve(ctx, try, [sha512.Size]byte{}, 1, Options{}); !errors.Is(err, context.Canceled) || tried.Load() {
		t.Errorf("got %v, tried: %v", err, tried.Load())
	}
}

func TestSolveUnreachable(t *testing.T) {
	if _, err := Solve(t.Context(), [sha512.Size]byte{}, 0, Options{}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}

func TestPortableKernel(t *testing.T) {
	inner := Message{Data: "kernel"}.Inner()
	const target = math.MaxUint64 / 50
	want := firstNonce(inner, target, 0)
	for count, found := range map[uint64]bool{want: false, want + 1: true, want + 100: true, 0: false} {
		nonce, ok := portable(&inner, 0, count, target)
		if ok != found || ok && nonce != want {
			t.Errorf("%d nonces: got %d, %v", count, nonce, ok)
		}
	}
}
