package leakcheck

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestCheckWaitsForGoroutinesThatEnd(t *testing.T) {
	Check(t)
	done := make(chan struct{})
	go func() { <-done }()
	t.Cleanup(func() { close(done) })
}

func TestFindReportsALeak(t *testing.T) {
	before := goleak.IgnoreCurrent()
	done, started := make(chan struct{}), make(chan struct{})
	defer close(done)
	go func() {
		close(started)
		<-done
	}()
	<-started
	if err := find(before, time.Nanosecond); err == nil || !strings.Contains(err.Error(), "TestFindReportsALeak") {
		t.Fatalf("found %v, want the one goroutine of this test", err)
	}
}
