// Package turns measures two pieces of work against each other in one benchmark, in turn, so that what else the
// machine does disturbs their ratio little.
package turns

import (
	"slices"
	"testing"
	"time"
)

// Compare runs work and yardstick in turn, each batch times in a round, for as many rounds as the benchmark runs. It
// reports the median time of one run of work as ns/op, and as "ratio" the median of what it takes of yardstick's time
// in the same round.
func Compare(b *testing.B, batch int, work, yardstick func()) {
	b.Helper()
	var times, ratios []float64
	for b.Loop() {
		spent, measure := timed(batch, work), timed(batch, yardstick)
		times = append(times, spent/float64(batch))
		ratios = append(ratios, spent/measure)
	}
	b.ReportMetric(Median(times), "ns/op")
	b.ReportMetric(Median(ratios), "ratio")
}

// timed returns how long count runs of work took, in nanoseconds.
func timed(count int, work func()) float64 {
	started := time.Now()
	for range count {
		work()
	}
	return float64(time.Since(started))
}

// Median returns the middle of values, which it sorts: the upper one of two.
func Median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
