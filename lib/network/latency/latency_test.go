package latency_test

import (
	"testing"
	"time"

	"sessiontool/lib/network/latency"
)

// What is late follows the answers of this run, and those of earlier runs for a while.
func TestLate(t *testing.T) {
	var kept map[string]int64
	want := func(what string, s latency.Samples, want time.Duration, names ...string) {
		t.Helper()
		if got := s.Late(kept, latency.Soonest, names...); got != want {
			t.Errorf("%s: late after %v, want %v", what, got, want)
		}
	}
	first := make(latency.Samples)
	want("nothing known", first, latency.Unknown, "store", "*")
	for range 20 {
		first.Learn(400*time.Millisecond, "store", "*")
	}
	first.Learn(3*time.Second, "store", "*") // one in 21 is within the 95th percentile
	want("one outlier", first, 512*time.Millisecond, "store")
	want("the second name", first, 512*time.Millisecond, "unheard", "*")
	kept = first.Keep(kept)
	next := make(latency.Samples)
	want("an earlier run", next, 512*time.Millisecond, "store")
	next.Learn(10*time.Millisecond, "store")
	want("a quick answer", next, 512*time.Millisecond, "store")
	for range 8 {
		next.Learn(10*time.Millisecond, "store")
	}
	want("many quick answers", next, latency.Soonest, "store")
	kept = next.Keep(kept)
	want("half of the experience", make(latency.Samples), 256*time.Millisecond, "store")
	next.Learn(time.Minute, "slow")
	want("the bound", next, latency.Latest, "slow")
}
