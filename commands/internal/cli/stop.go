package cli

import (
	"context"
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
	parent   context.Context
	deadline time.Time // zero if the time is not limited
	until    func(context.Context) context.Context

	mu     sync.Mutex
	begun  context.Context // nil before the first call of Done
	cancel context.CancelFunc
}

// newStoppable returns a context that ends at the deadline, unless that is zero, and when the context of until ends.
func newStoppable(parent context.Context, deadline time.Time, until func(context.Context) context.Context) *stoppable {
	if earlier, ok := parent.Deadline(); ok && (deadline.IsZero() || earlier.Before(deadline)) {
		deadline = earlier
	}
	return &stoppable{parent: parent, deadline: deadline, until: until}
}

// begin returns the context that listens for signals, and makes it at the first call.
func (s *stoppable) begin() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun == nil {
		s.begun = s.until(s.parent)
		if !s.deadline.IsZero() {
			s.begun, s.cancel = context.WithDeadline(s.begun, s.deadline)
		}
	}
	return s.begun
}

// release frees the timer of the deadline. It does not end a context that does not listen yet.
func (s *stoppable) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
	}
}

// current returns the context that listens, or the parent before the first call of Done and before the deadline.
func (s *stoppable) current() context.Context {
	s.mu.Lock()
	begun := s.begun
	s.mu.Unlock()
	switch {
	case begun != nil:
		return begun
	case s.deadline.IsZero() || time.Now().Before(s.deadline):
		return s.parent
	}
	return s.begin()
}

// Deadline implements context.Context.
func (s *stoppable) Deadline() (time.Time, bool) { return s.deadline, !s.deadline.IsZero() }

// Done implements context.Context. The first call begins to listen for signals.
func (s *stoppable) Done() <-chan struct{} { return s.begin().Done() }

// Err implements context.Context.
func (s *stoppable) Err() error { return s.current().Err() }

// Value implements context.Context.
func (s *stoppable) Value(key any) any { return s.current().Value(key) }
