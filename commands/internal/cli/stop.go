package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// errSignal is the cause of a context that a signal ended.
type errSignal struct{ os.Signal }

func (e errSignal) Error() string { return "stopped by signal: " + e.String() }

// untilSignal returns a context that SIGINT, SIGTERM and SIGHUP end too, the last one unless it is ignored, as under nohup. It listens for signals until the process ends.
func untilSignal(parent context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	if len(survived) > 0 {
		signal.Notify(make(chan os.Signal, 1), survived...)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		s := <-signals
		// A second signal kills the process at once.
		signal.Stop(signals)
		cancel(errSignal{s})
	}()
	return ctx
}

// survive turns the survived signals into errors without listening for them. Programs that the process starts inherit
// this, unlike listening, so it is not for commands that start programs.
func survive() {
	if len(survived) > 0 {
		signal.Ignore(survived...)
	}
}

// stoppable is the context of a command. A signal or the timeout ends it. It listens for signals only after the first
// call of Done, because listening takes a seventh of the time of a short command. If a signal kills a command before
// that, the command has not waited for anything and leaves nothing behind; the shell sees the same exit status.
type stoppable struct {
	parent context.Context
	limit  time.Duration // without progress; 0 is no limit
	until  func(context.Context) context.Context

	mu       sync.Mutex
	deadline time.Time       // zero if the time is not limited
	begun    context.Context // nil before the first call of Done
	cancel   context.CancelCauseFunc
	timer    *time.Timer // nil if the time is not limited
}

// newStoppable returns a context that ends when the context of until ends, and limit after the last call of progress,
// unless limit is 0.
func newStoppable(parent context.Context, limit time.Duration, until func(context.Context) context.Context) *stoppable {
	s := &stoppable{parent: parent, limit: limit, until: until}
	if limit > 0 {
		s.deadline = time.Now().Add(limit)
	}
	return s
}

// progress moves the deadline to limit from now.
func (s *stoppable) progress() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit > 0 {
		s.deadline = time.Now().Add(s.limit)
	}
}

// begin returns the context that listens for signals, and makes it at the first call.
func (s *stoppable) begin() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun != nil {
		return s.begun
	}
	s.begun, s.cancel = context.WithCancelCause(s.until(s.parent))
	switch left := time.Until(s.deadline); {
	case s.deadline.IsZero():
	case left <= 0:
		s.cancel(context.DeadlineExceeded)
	default:
		s.timer = time.AfterFunc(left, s.expire)
	}
	return s.begun
}

// expire ends the context if there was no progress since the timer was set.
func (s *stoppable) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if left := time.Until(s.deadline); left > 0 {
		s.timer.Reset(left)
		return
	}
	s.cancel(context.DeadlineExceeded)
}

// release stops the timer. It does not end a context that does not listen yet.
func (s *stoppable) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.cancel != nil {
		s.cancel(context.Canceled)
	}
}

// current returns the context that listens, or the parent before the first call of Done and before the deadline.
func (s *stoppable) current() context.Context {
	s.mu.Lock()
	begun, deadline := s.begun, s.deadline
	s.mu.Unlock()
	switch {
	case begun != nil:
		return begun
	case deadline.IsZero() || time.Now().Before(deadline):
		return s.parent
	}
	return s.begin()
}

// Deadline implements context.Context. The deadline moves with progress: what is derived from the context before has
// the earlier one.
func (s *stoppable) Deadline() (time.Time, bool) {
	s.mu.Lock()
	deadline := s.deadline
	s.mu.Unlock()
	if earlier, ok := s.parent.Deadline(); ok && (deadline.IsZero() || earlier.Before(deadline)) {
		deadline = earlier
	}
	return deadline, !deadline.IsZero()
}

// Done implements context.Context. The first call begins to listen for signals.
func (s *stoppable) Done() <-chan struct{} { return s.begin().Done() }

// Err implements context.Context.
func (s *stoppable) Err() error {
	current := s.current()
	if err := current.Err(); err == nil || !errors.Is(context.Cause(current), context.DeadlineExceeded) {
		return err
	}
	return context.DeadlineExceeded
}

// Value implements context.Context.
func (s *stoppable) Value(key any) any { return s.current().Value(key) }
