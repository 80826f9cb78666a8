package route

import (
	"context"
	"errors"
	"testing"

	"sessiontool/lib/sessionid"
)

// A message to a recipient is sealed again after the earlier ones to the same recipient, and no others.
func TestTurns(t *testing.T) {
	var q queues
	join := func(to byte) (made turn) {
		made.before, made.passOn = q.join(sessionid.ID{5, to})
		return made
	}
	first, second, other := join(1), join(1), join(2)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for _, free := range []turn{first, other, {}} {
		if err := free.wait(t.Context()); err != nil {
			t.Error(err)
		}
		free.end()
		free.end()
	}
	if err := second.wait(t.Context()); err != nil {
		t.Error(err)
	}
	if err := join(1).wait(stopped); !errors.Is(err, context.Canceled) {
		t.Errorf("before its turn: %v", err)
	}
}
