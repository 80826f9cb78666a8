package leakcheck

import (
	"strings"
	"testing"
)

func TestCheckWaitsForGoroutinesThatEnd(t *testing.T) {
	Check(t)
	done := make(chan struct{})
	go func() { <-done }()
	t.Cleanup(func() { close(done) })
}

func TestNewSinceFindsALeak(t *testing.T) {
	before := goroutines()
	done, started := make(chan struct{}), make(chan struct{})
	go func() {
		close(started)
		<-done
	}()
	<-started
	left := newSince(before)
	close(done)
	if len(left) != 1 || !strings.Contains(left[0], "TestNewSinceFindsALeak") {
		t.Fatalf("found %q, want the one goroutine of this test", left)
	}
}
