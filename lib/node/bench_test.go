package node

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What a node does over HTTPS is measured in the folder bench, next to SQLite.

// filled is how many messages the benchmarks below work with.
const filled = 100_000

// fill stores messages of 400 characters for 20 000 owners that expire after an hour.
func fill(b *testing.B, s *store, now time.Time) {
	b.Helper()
	data := strings.Repeat("x", 394)
	for i := 0; i < filled; {
		var group []message
		for ; i < filled && len(group) < maxGroup; i++ {
			group = append(group, plain(owner(i*7919%20000), strconv.Itoa(100_000+i)+data, now, time.Hour))
		}
		mustInsert(b, s, group...)
	}
}

// BenchmarkExpiry removes 100 000 messages while others are stored one after the other, and reports the longest time that
// one of these took; also for as many without expiry.
func BenchmarkExpiry(b *testing.B) {
	for b.Loop() {
		s, now := newStore(b), time.Now()
		fill(b, s, now)
		later := now.Add(time.Hour)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if removed, err := s.sweep(b.Context(), later.UnixMilli()); err != nil || removed != filled {
				b.Errorf("removed %d messages, %v", removed, err)
			}
		}()
		count, longest := 0, time.Duration(0)
		for busy := true; busy; count++ {
			longest = max(longest, storeOne(b, s, count, later))
			select {
			case <-ended:
				busy = false
			default:
			}
		}
		alone := time.Duration(0)
		for i := range count {
			alone = max(alone, storeOne(b, s, count+i, later))
		}
		b.ReportMetric(longest.Seconds()*1000, "max-ms")
		b.ReportMetric(alone.Seconds()*1000, "max-ms-without")
	}
}

// storeOne returns how long it takes to store a message.
func storeOne(b *testing.B, s *store, i int, now time.Time) time.Duration {
	m := plain(owner(i), strconv.Itoa(i), now, time.Hour)
	start := time.Now()
	mustInsert(b, s, m)
	return time.Since(start)
}

// BenchmarkMemory reports what a node needs for a million messages of 400 characters, extrapolated from 100 000: on the
// heap, and on disk.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		dir := b.TempDir()
		before := heapBytes()
		s, err := openStore(dir, defaultStoreBytes)
		if err != nil {
			b.Fatal(err)
		}
		fill(b, s, time.Now())
		after := heapBytes()
		if err := s.close(); err != nil {
			b.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, storeFile))
		if err != nil {
			b.Fatal(err)
		}
		const million = 1e6 / filled
		b.ReportMetric(million*float64(after-before)/(1<<20), "heap-MiB/million")
		b.ReportMetric(million*float64(info.Size())/(1<<20), "disk-MiB/million")
	}
}

func heapBytes() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
