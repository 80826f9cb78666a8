package pow

import (
	"context"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"testing"
)

// BenchmarkPlainLoop is the yardstick: one crypto/sha512 hash of 72 bytes for each nonce.
func BenchmarkPlainLoop(b *testing.B) {
	var input [nonceSize + sha512.Size]byte
	nonce := uint64(0)
	for b.Loop() {
		binary.BigEndian.PutUint64(input[:], nonce)
		sum := sha512.Sum512(input[:])
		if binary.BigEndian.Uint64(sum[:]) == 0 {
			b.Fatal("found what nobody ever will")
		}
		nonce++
	}
}

func BenchmarkKernel(b *testing.B) {
	var inner [sha512.Size]byte
	if _, found := portable(&inner, 0, uint64(b.N), 1); found {
		b.Fatal("found what nobody ever will")
	}
}

// BenchmarkSolve counts one hash as one operation; with 0 workers it uses every core.
func BenchmarkSolve(b *testing.B) {
	for name, workers := range map[string]int{"one": 1, "all": 0} {
		b.Run(name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			progress := func(hashes uint64) {
				if hashes >= uint64(b.N) {
					cancel()
				}
			}
			_, err := Solve(ctx, [sha512.Size]byte{}, 1, Options{Workers: workers, Progress: progress})
			if !errors.Is(err, context.Canceled) {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkSolveEasy is a text message of 400 characters kept for a day at difficulty 1.
func BenchmarkSolveEasy(b *testing.B) {
	inner := Message{Data: "easy"}.Inner()
	target := Target(487, 24*3600*1000, 1)
	for start := uint64(0); b.Loop(); start += 1 << 20 {
		if _, err := Solve(b.Context(), inner, target, Options{Start: start}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	m := Message{PubKey: string(make([]byte, 66)), Timestamp: "1581400000000", TTL: "86400000", Data: string(make([]byte, 400))}
	nonce := make([]byte, nonceSize)
	for b.Loop() {
		Verify(m, nonce, 1)
	}
}
