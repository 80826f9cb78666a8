// Package leakcheck lets a test prove that the code it ran has ended all its goroutines. It is goleak with more
// patience: on a loaded machine a goroutine may need seconds to end.
package leakcheck

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines may take to end once they were stopped.
const patience = 5 * time.Second

// Check makes t fail at its end if goroutines still run that were not there when Check was called. Call it first in
// a test, so that it looks last, after all clean-ups. Tests that use it must not run in parallel with others.
func Check(t testing.TB) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		if err := find(before, patience); err != nil {
			t.Error(err)
		}
	})
}

// find returns an error that describes the goroutines which are left after patience. goleak itself waits for less than
// two seconds.
func find(before goleak.Option, patience time.Duration) (err error) {
	deadline := time.Now().Add(patience)
	for {
		if err = goleak.Find(before); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}
