package store

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/node/store/kv"
)

// What a node does over HTTPS is measured in the folder bench, next to SQLite.

// filled is the number of messages that the benchmarks below work with.
const filled = 100_000

// fill stores messages of 400 characters for 20 000 owners that expire after an hour, numbered from first on.
func fill(b *testing.B, s *Store, now time.Time, first int) {
	b.Helper()
	data := strings.Repeat("x", 394)
	for i := first; i < first+filled; {
		var group []Message
		for ; i < first+filled && len(group) < 2000; i++ {
			group = append(group, plain(owner(i*7919%20000), strconv.Itoa(100_000+i)+data, now, time.Hour))
		}
		mustInsert(b, s, group...)
	}
}

// BenchmarkExpiry stores messages in windows of half a second, in turn with and without expired ones to remove. It
// reports the longest time of a store in either kind of window, the difference of the medians of the windows' longest
// times, which is what expiry adds, and the messages stored and removed per second with expiry. A RAM disk as TMPDIR
// removes the noise of the disk.
func BenchmarkExpiry(b *testing.B) {
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			s, now := newStore(b), time.Now()
			fill(b, s, now, 0)
			later := now.Add(time.Hour)
			w := windows{b: b, store: s, clients: clients, now: later}
			const each = 500 * time.Millisecond
			for b.Loop() {
				w.without = append(w.without, w.longest(each))
				if expiredLeft(b, s, later) == 0 {
					b.StopTimer()
					fill(b, s, now, 0)
					b.StartTimer()
				}
				before, stored := s.removed.Load(), w.stored.Load()
				ctx, cancel := context.WithCancel(b.Context())
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					s.sweep(ctx, later.UnixMilli())
				}()
				w.with = append(w.with, w.longest(each))
				cancel()
				<-ended
				s.sweepUntil.Store(0)
				w.came += w.stored.Load() - stored
				w.went += s.removed.Load() - before
			}
			perSecond := float64(time.Second) / float64(each) / float64(len(w.with))
			b.ReportMetric(milliseconds(slices.Max(w.with)), "max-ms")
			b.ReportMetric(milliseconds(slices.Max(w.without)), "max-ms-without")
			b.ReportMetric(milliseconds(median(w.with)-median(w.without)), "added-ms")
			b.ReportMetric(float64(w.came)*perSecond, "stores/s")
			b.ReportMetric(float64(w.went)*perSecond, "removals/s")
		})
	}
}

// windows are time spans in which clients store one message after the other.
type windows struct {
	b             *testing.B
	store         *Store
	clients       int
	now           time.Time
	stored        atomic.Uint64
	with, without []time.Duration
	came, went    uint64
}

// longest stores for a time span and returns the longest time of a store.
func (w *windows) longest(span time.Duration) time.Duration {
	longest := make([]time.Duration, w.clients)
	end := time.Now().Add(span)
	var group sync.WaitGroup
	for client := range w.clients {
		group.Go(func() {
			for start := time.Now(); start.Before(end); {
				i := w.stored.Add(1)
				m := plain(owner(int(i%20000)), strconv.FormatUint(i, 10), w.now, time.Hour)
				if err := w.store.Insert(false, m); err != nil {
					w.b.Error(err)
					return
				}
				now := time.Now()
				longest[client] = max(longest[client], now.Sub(start))
				start = now
			}
		})
	}
	group.Wait()
	return slices.Max(longest)
}

func expiredLeft(b *testing.B, s *Store, now time.Time) (count int) {
	err := s.db.View(func(tx *kv.Tx) error {
		due, err := expired(tx, now.UnixMilli(), 1)
		count = len(due)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return count
}

func median(values []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// BenchmarkMemory reports what a million messages of 400 characters need on the heap and on disk: ten times what
// 100 000 add to a store that holds as many already.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		s, now := newStore(b), time.Now()
		fill(b, s, now, 0)
		heap, disk := heapBytes(), s.diskBytes(b)
		fill(b, s, now, filled)
		const million = 1e6 / filled
		b.ReportMetric(million*float64(heapBytes()-heap)/(1<<20), "heap-MiB/million")
		b.ReportMetric(million*float64(s.diskBytes(b)-disk)/(1<<20), "disk-MiB/million")
	}
}

// diskBytes returns the size of the pages in use.
func (s *Store) diskBytes(b *testing.B) (size int64) {
	b.Helper()
	if err := s.db.Flush(); err != nil {
		b.Fatal(err)
	}
	return s.db.Size()
}

func heapBytes() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
