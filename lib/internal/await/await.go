// Package await lets tests wait for what other goroutines and processes bring about.
package await

import (
	"testing"
	"time"
)

// Hang is a time after which a test may say that something hangs. It is so long that no machine is too slow or too busy
// for what a test waits for, and less than the ten minutes of go test.
const Hang = 3 * time.Minute

// Until waits until done returns true. It fails the test after Hang.
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(Hang)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Within fails the test unless do once takes less than limit, in five tries. A load on the machine delays a try or two;
// what waits for a timeout of that length does so each time.
func Within(t testing.TB, limit time.Duration, what string, do func()) {
	t.Helper()
	var took time.Duration
	for range 5 {
		started := time.Now()
		do()
		if took = time.Since(started); took < limit {
			return
		}
		t.Logf("%s takes %v", what, took)
	}
	t.Errorf("%s takes %v each time, want less than %v", what, took, limit)
}
