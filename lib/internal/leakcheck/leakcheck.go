// Package leakcheck fails a test that leaves goroutines running. It is goleak with a longer wait: on a loaded machine a
// goroutine may need seconds to end.
package leakcheck

import (
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines may take to end after they were stopped.
const patience = 2 * time.Minute

// checked are the tests that Check has been called for.
var checked sync.Map

// Check makes t fail at its end if goroutines still run that were not there when Check was called. Call it first in
// a test, so that it looks last, after all clean-ups. Tests that use it must not run in parallel with others. Only the
// first call for a test counts: what a later call finds running, such as a network beside a second one, may start
// goroutines until the test ends.
func Check(t testing.TB) {
	t.Helper()
	if _, again := checked.LoadOrStore(t, true); again {
		return
	}
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		checked.Delete(t)
		if err := find(before, patience); err != nil {
			t.Error(err)
		}
	})
}

// find returns an error that describes the goroutines that still run after patience. goleak itself waits for less than
// two seconds.
func find(before goleak.Option, patience time.Duration) (err error) {
	deadline := time.Now().Add(patience)
	for {
		if err = goleak.Find(before); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}
