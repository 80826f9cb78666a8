// Package leakcheck fails a test that leaves goroutines running. It is goleak with a longer wait: on a loaded machine a
// goroutine may need seconds to end.
package leakcheck

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines may take to end after they were stopped.
const patience = 5 * time.Second

// Check makes t fail at its end if goroutines run that did not run when Check was called. Call it first in a test: its
// clean-up then runs last. A test that uses it must not run in parallel with other tests.
func Check(t testing.TB) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
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
