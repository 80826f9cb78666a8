// Package benchpair compares two pieces of work in one benchmark. It runs them alternately, so that other load on the
// machine has little effect on their ratio.
package benchpair

import (
	"slices"
	"testing"
	"time"
)

// Compare runs work and yardstick alternately. A round runs each batch times, and the benchmark sets the number of
// rounds. Compare reports the median time of one run of work as "ns/op". It reports as "ratio" the median over the
// rounds of work's time divided by yardstick's time.
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

// Median sorts values and returns the middle one. For an even number of values that is the upper of the two.
func Median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
