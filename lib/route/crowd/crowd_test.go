package crowd

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

var bob = sessionid.FromPublicKey(x25519.PublicKey{9})

// decide returns what becomes of n messages, each decided when those before it have left: d is delivered, s stored.
func decide(t *testing.T, c *Crowds, n int) (routes string) {
	t.Helper()
	members := make([]*Member, n)
	for i := range members {
		members[i] = c.Join(bob)
	}
	for _, m := range members {
		can, err := m.Deliverable(t.Context(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		routes += map[bool]string{true: "d", false: "s"}[can]
		m.Leave()
		m.Leave()
	}
	return routes
}

// A few messages are delivered, and the last few of more. After many are stored, none is delivered before the listener
// has polled.
func TestDeliverable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Crowds
		for _, test := range []struct {
			n    int
			want string
		}{{1, "d"}, {4, "dddd"}, {5, "sdddd"}, {10, "ssssssdddd"}} {
			if got := decide(t, &c, test.n); got != test.want {
				t.Errorf("of %d: %s, want %s", test.n, got, test.want)
			}
		}
		for _, route := range decide(t, &c, 50) {
			if route != 's' {
				t.Error("one of 50 is delivered")
			}
		}
		if got := decide(t, &c, 1); got != "s" {
			t.Errorf("one just behind them: %s", got)
		}
		time.Sleep(burstOver + time.Second)
		if got := decide(t, &c, 2); got != "dd" {
			t.Errorf("two later: %s", got)
		}
		if len(c.of) > 0 || len(c.stored) > 0 {
			t.Errorf("left behind: %v, %v", c.of, c.stored)
		}
	})
}

// One that is delivered waits for those before it, for a time. Other recipients have crowds of their own.
func TestWaitsForEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Crowds
		earlier, m := c.Join(bob), c.Join(bob)
		other := c.Join(sessionid.FromPublicKey(x25519.PublicKey{10}))
		if can, err := other.Deliverable(t.Context(), time.Minute); !can || err != nil {
			t.Errorf("to another: %v, %v", can, err)
		}
		begun := time.Now()
		if can, err := m.Deliverable(t.Context(), time.Minute); can || err != nil || time.Since(begun) != time.Minute {
			t.Errorf("behind one that hangs: %v, %v after %v", can, err, time.Since(begun))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := m.Deliverable(ctx, time.Minute); !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
		time.AfterFunc(time.Second, earlier.Leave)
		begun = time.Now()
		if can, err := m.Deliverable(t.Context(), time.Minute); !can || err != nil || time.Since(begun) != time.Second {
			t.Errorf("behind one that is stored: %v, %v after %v", can, err, time.Since(begun))
		}
	})
}
