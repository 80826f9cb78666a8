package await

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// recorder is a test that notes its failures.
type recorder struct {
	testing.TB
	failed []string
}

func (*recorder) Helper()             {}
func (*recorder) Logf(string, ...any) {}
func (r *recorder) Errorf(format string, args ...any) {
	r.failed = append(r.failed, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	panic(r)
}

func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		Until(t, "a minute", func() bool { return time.Since(started) >= time.Minute })
		r := &recorder{TB: t}
		defer func() {
			if recover() != r || len(r.failed) != 1 || time.Since(started) != time.Minute+Hang {
				t.Errorf("failures %q after %v", r.failed, time.Since(started))
			}
		}()
		Until(r, "nothing", func() bool { return false })
	})
}

func TestWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for tries, fails := range map[int]int{0: 0, 4: 0, 5: 1} { // tries that take too long
			r, left := &recorder{TB: t}, tries
			Within(r, time.Second, "it", func() {
				if left--; left >= 0 {
					<-time.After(time.Second)
				}
			})
			if len(r.failed) != fails {
				t.Errorf("%d slow tries: %q", tries, r.failed)
			}
		}
	})
}
