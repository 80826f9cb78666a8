// Package leakcheck lets a test prove that the code it ran has ended all its goroutines.
package leakcheck

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long goroutines that have been told to end may take.
const patience = 5 * time.Second

// Check makes t fail at its end if goroutines still run that were not there when Check was called. Call it first in
// a test, so that it looks last, after all clean-ups. Tests that use it must not run in parallel with others.
func Check(t testing.TB) {
	t.Helper()
	before := goroutines()
	t.Cleanup(func() {
		deadline := time.NewTimer(patience)
		defer deadline.Stop()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			left := newSince(before)
			if len(left) == 0 {
				return
			}
			select {
			case <-tick.C:
			case <-deadline.C:
				t.Errorf("%d goroutines are left:\n\n%s", len(left), strings.Join(left, "\n\n"))
				return
			}
		}
	})
}

// goroutines returns the stacks of all goroutines by their header's number ("goroutine 7").
func goroutines() map[string]string {
	buffer := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buffer, true)
		if n < len(buffer) {
			buffer = buffer[:n]
			break
		}
		buffer = make([]byte, 2*len(buffer))
	}
	stacks := make(map[string]string)
	for stack := range strings.SplitSeq(string(buffer), "\n\n") {
		name, _, _ := strings.Cut(stack, " [")
		stacks[name] = stack
	}
	return stacks
}

// newSince returns the stacks of goroutines that are not in before. Those of the testing package come and go by
// themselves.
func newSince(before map[string]string) []string {
	var left []string
	for name, stack := range goroutines() {
		if _, old := before[name]; !old && !strings.Contains(stack, "created by testing.") {
			left = append(left, stack)
		}
	}
	return left
}
