package cli

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// signals stands for untilSignal: it counts how often listening begins, and sends what a test wants sent.
type signals struct {
	begun int
	stop  context.CancelCauseFunc
}

func (s *signals) until(parent context.Context) context.Context {
	s.begun++
	ctx, stop := context.WithCancelCause(parent)
	s.stop = stop
	return ctx
}

// Signals are listened for only while a context is waited for; all waiters get the same signal.
func TestStoppableListensOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s signals
		ctx := newStoppable(t.Context(), time.Minute, s.until)
		defer ctx.release()
		if ctx.Err() != nil || context.Cause(ctx) != nil || s.begun != 0 {
			t.Fatalf("at the start: %v, %v, begun %d times", ctx.Err(), context.Cause(ctx), s.begun)
		}
		child, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		first := ctx.Done()
		if again := ctx.Done(); again != first || s.begun != 1 {
			t.Errorf("begun %d times", s.begun)
		}
		s.stop(errSignal{syscall.SIGTERM})
		<-child.Done()
		want := errSignal{syscall.SIGTERM}
		if context.Cause(child) != want || context.Cause(ctx) != want || !errors.Is(ctx.Err(), context.Canceled) {
			t.Errorf("after a signal: %v, %v, %v", context.Cause(child), context.Cause(ctx), ctx.Err())
		}
	})
}

// The time of a command is over when it is over, whether a caller waits for it or checks now and then.
func TestStoppableRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s signals
		for what, wait := range map[string]func(context.Context){
			"waiting": func(ctx context.Context) { <-ctx.Done() },
			"looking": func(ctx context.Context) {
				for ctx.Err() == nil {
					<-time.After(time.Second)
				}
			},
		} {
			start := time.Now()
			ctx := newStoppable(t.Context(), time.Minute, s.until)
			wait(ctx)
			if took := time.Since(start); took != time.Minute || context.Cause(ctx) != context.DeadlineExceeded {
				t.Errorf("%s: %v after %v", what, context.Cause(ctx), took)
			}
			<-ctx.Done()
			ctx.release()
		}
	})
}

// It ends with its parent, of which it takes the earlier deadline and the values.
func TestStoppableHasAParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		soon := time.Now().Add(time.Second)
		parent, cancel := context.WithDeadline(context.WithValue(t.Context(), key{}, "value"), soon)
		defer cancel()
		var s signals
		ctx := newStoppable(parent, time.Minute, s.until)
		defer ctx.release()
		if deadline, ok := ctx.Deadline(); !ok || deadline != soon {
			t.Errorf("deadline %v", deadline)
		}
		if ctx.Value(key{}) != "value" {
			t.Error("the parent's value is lost")
		}
		cancel()
		if !errors.Is(ctx.Err(), context.Canceled) {
			t.Errorf("after its parent: %v", ctx.Err())
		}
		<-ctx.Done()
		if ctx.Value(key{}) != "value" {
			t.Error("the parent's value is lost while a caller waits")
		}
		unlimited := newStoppable(context.Background(), 0, s.until)
		if deadline, ok := unlimited.Deadline(); ok {
			t.Errorf("without a limit the deadline is %v", deadline)
		}
	})
}

// Progress moves the deadline, whether a caller waits already or not.
func TestStoppableGoesOnWithProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s signals
		for _, waiting := range []bool{false, true} {
			start := time.Now()
			ctx := newStoppable(t.Context(), time.Minute, s.until)
			if waiting {
				ctx.Done()
			}
			for range 5 {
				<-time.After(50 * time.Second)
				if ctx.Err() != nil {
					t.Fatalf("over after %v: %v", time.Since(start), context.Cause(ctx))
				}
				ctx.progress()
			}
			<-ctx.Done()
			if took := time.Since(start); took != 310*time.Second || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("waiting %v: %v after %v", waiting, ctx.Err(), took)
			}
			ctx.release()
		}
	})
}
