package pow

import (
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// firstNonce is a plain implementation of Solve.
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
			for _, kernel := range append(Kernels(), yardstick, nil) {
				for _, workers := range []int{0, 1, 2, 8} {
					got, err := Solve(t.Context(), inner, target,
						Options{Workers: workers, Start: start, Kernel: kernel})
					if err != nil || got != want {
						t.Errorf("%d hashes expected, from %d, %d workers: got %d, %v, want %d", expected, start,
							workers, got, err, want)
					}
				}
			}
		}
	}
}

// TestSolveAtChunkEdges has the first nonce at the ends of the chunks that workers take, with and without wrapping
// around.
func TestSolveAtChunkEdges(t *testing.T) {
	const before = 2 << 10 // this many nonces in front of the first one that counts, and no other among them
	target := uint64(math.MaxUint64 / 1000)
	for _, from := range []uint64{1 << 32, math.MaxUint64 - before} {
		inner := Message{}.Inner()
		first := firstNonce(inner, target, from)
		for i := 0; first-from < before; i++ {
			inner = Message{Data: fmt.Sprint(i)}.Inner()
			first = firstNonce(inner, target, from)
		}
		for _, kernel := range append(Kernels(), yardstick) {
			for _, offset := range []uint64{kernel.chunk - 1, kernel.chunk, 2*kernel.chunk - 1, 2 * kernel.chunk} {
				for _, workers := range []int{1, 3} {
					got, err := Solve(t.Context(), inner, target,
						Options{Workers: workers, Start: first - offset, Kernel: kernel})
					if err != nil || got != first {
						t.Errorf("%s, %d workers, from %d: got %d, %v, want %d", kernel.name, workers, first-offset,
							got, err, first)
					}
				}
			}
		}
	}
}

// TestSolveSharesCores: two searches can use two cores each. The later one gets a core when the earlier one ends. Then
// both cores are free again.
func TestSolveSharesCores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cores := NewCores(2)
		var order []string
		var mu sync.Mutex
		begin := func(name string, answer <-chan struct{}) {
			kernel := fake(func(uint64) uint64 {
				mu.Lock()
				order = append(order, name)
				mu.Unlock()
				<-answer
				return 0
			})
			if _, err := Solve(t.Context(), [sha512.Size]byte{}, 1, Options{Cores: cores, Kernel: kernel}); err != nil {
				t.Error(err)
			}
		}
		first, second := make(chan struct{}), make(chan struct{})
		go begin("first", first)
		synctest.Wait()
		go begin("second", second)
		synctest.Wait()
		if got := strings.Join(order, " "); got != "first first" {
			t.Errorf("at work: %s", got)
		}
		close(first)
		synctest.Wait()
		close(second)
		synctest.Wait()
		if got := strings.Join(order, " "); got != "first first second second" {
			t.Errorf("worked: %s", got)
		}
		if len(cores.taken) != 0 {
			t.Errorf("%d cores were not given back", len(cores.taken))
		}
	})
}

// TestSolveWaitingForCores: a search without a core ends with its context.
func TestSolveWaitingForCores(t *testing.T) {
	cores := NewCores(1)
	if !cores.take(t.Context(), nil) {
		t.Fatal("no core is free")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Solve(ctx, [sha512.Size]byte{}, 1, Options{Cores: cores}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// fake returns a kernel with chunks of 100 and a given search function.
func fake(answer func(start uint64) (offset uint64)) *Kernel {
	return &Kernel{name: "fake", chunk: 100, search: func(_ *job, start, _, _ uint64) uint64 { return answer(start) }}
}

// TestSolvePrefersLowerChunk has the second chunk done before the first, with a nonce in both.
func TestSolvePrefersLowerChunk(t *testing.T) {
	const start = 1000
	secondDone := make(chan struct{})
	kernel := fake(func(first uint64) uint64 {
		if first == start {
			<-secondDone
			return 7
		}
		if first == start+100 {
			defer close(secondDone)
		}
		return 3
	})
	got, err := Solve(t.Context(), [sha512.Size]byte{}, 1, Options{Workers: 4, Start: start, Kernel: kernel})
	if err != nil || got != start+7 {
		t.Errorf("got %d, %v, want %d", got, err, start+7)
	}
}

// TestSolveFoundWhileCancelled: a nonce in the chunk in progress when ctx ends is returned.
func TestSolveFoundWhileCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	kernel := fake(func(uint64) uint64 {
		cancel()
		return 5
	})
	got, err := Solve(ctx, [sha512.Size]byte{}, 1, Options{Workers: 1, Kernel: kernel})
	if err != nil || got != 5 {
		t.Errorf("got %d, %v", got, err)
	}
}

// TestSolveWorkers: more workers are started only as the expected work grows.
func TestSolveWorkers(t *testing.T) {
	for _, test := range []struct {
		expected uint64
		most     int
		cores    *Cores
		want     int
	}{
		{1, 8, nil, 1},
		{799, 8, nil, 1},
		{800, 8, nil, 2},
		{4000, 8, nil, 6},
		{1 << 40, 8, nil, 8},
		{1 << 40, 1, nil, 1},
		{1 << 40, 0, nil, runtime.GOMAXPROCS(0)},
		{1 << 40, 0, NewCores(3), 3},
		{1 << 40, 2, NewCores(3), 2},
		{math.MaxUint64, 1 << 20, nil, 1 << 20},
	} {
		s := &search{kernel: fake(nil), target: math.MaxUint64 / test.expected}
		if got := s.workers(test.most, test.cores); got != test.want {
			t.Errorf("%d hashes, at most %d workers: got %d, want %d", test.expected, test.most, got, test.want)
		}
	}
}

// TestSolveCancelled: a search ends with its context. The synctest bubble ends only after all its goroutines.
func TestSolveCancelled(t *testing.T) {
	for _, workers := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			last := uint64(0)
			progress := func(hashes uint64) {
				if hashes < last {
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
		})
	}
}

func TestSolveOfEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var tried atomic.Bool
	kernel := fake(func(uint64) uint64 {
		tried.Store(true)
		return 0
	})
	if _, err := Solve(ctx, [sha512.Size]byte{}, 1, Options{Kernel: kernel}); !errors.Is(err, context.Canceled) ||
		tried.Load() {
		t.Errorf("got %v, tried: %v", err, tried.Load())
	}
}

// Reports come once in chunksPerReport chunks, and once at the end.
func TestReportsAreRare(t *testing.T) {
	kernel := Kernels()[0]
	ctx, cancel := context.WithCancel(t.Context())
	reports, last := uint64(0), uint64(0)
	_, err := Solve(ctx, [sha512.Size]byte{}, 1, Options{Workers: 1, Kernel: kernel, Progress: func(hashes uint64) {
		reports, last = reports+1, hashes
		if reports == 3 {
			cancel()
		}
	}})
	if most := last/(kernel.chunk*chunksPerReport) + 1; !errors.Is(err, context.Canceled) || reports != most {
		t.Errorf("%d reports of %d hashes, want %d: %v", reports, last, most, err)
	}
}

// TestSolveProgress: the last report has the number of all hashes, for short searches too.
func TestSolveProgress(t *testing.T) {
	var reports []uint64
	options := Options{
		Kernel:   fake(func(uint64) uint64 { return 5 }),
		Progress: func(hashes uint64) { reports = append(reports, hashes) },
	}
	if _, err := Solve(t.Context(), [sha512.Size]byte{}, math.MaxUint64, options); err != nil ||
		!slices.Equal(reports, []uint64{100}) {
		t.Errorf("got %v, %v", reports, err)
	}
}

func TestSolveUnreachable(t *testing.T) {
	if _, err := Solve(t.Context(), [sha512.Size]byte{}, 0, Options{}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}
