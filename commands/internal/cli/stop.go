package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// errSignal is why a context ended: the signal that ended it.
type errSignal struct{ os.Signal }

func (e errSignal) Error() string { return "stopped by signal: " + e.String() }

// untilSignal returns a context that SIGINT and SIGTERM end too. It listens for the rest of the process's life.
func untilSignal(parent context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	if len(survived) > 0 {
		signal.Notify(make(chan os.Signal, 1), survived...)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-signals
		// A second signal kills at once: whoever insists is right.
		signal.Stop(signals)
		cancel(errSignal{s})
	}()
	return ctx
}

// survive makes errors of the signals that would kill where an error tells more, without listening for them. Unlike
// listening it is inherited by programs that are started, so it is not for commands that start some.
func survive() {
	if len(survived) > 0 {
		signal.Ignore(survived...)
	}
}

// stoppable is the context of a command's work: it ends by a signal or when the command's time is over. It listens for
// signals only once somebody waits for its end, since to begin with it takes a seventh of the time of a short command.
// A command that has not waited for anything leaves nothing behind when a signal kills it right away; the shell sees the
// same exit status.
type stoppable struct {
	parent   context.Context
	deadline time.Time // zero if the time is not limited
	until    func(context.Context) context.Context

	mu     sync.Mutex
	begun  context.Context // nil as long as nobody waits
	cancel context.CancelFunc
}

// newStoppable returns a context that ends at the deadline, unless it is zero, and by what ends until's.
func newStoppable(parent context.Context, deadline time.Time, until func(context.Context) context.Context) *stoppable {
	if earlier, ok := parent.Deadline(); ok && (deadline.IsZero() || earlier.Before(deadline)) {
		deadline = earlier
	}
	return &stoppable{parent: parent, deadline: deadline, until: until}
}

// begin returns the context that has begun to listen.
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

// release frees what the deadline needs. It does not end the context if nobody has waited for it.
func (s *stoppable) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
	}
}

// current returns the context that listens, or the parent as long as nobody has waited and nothing is over.
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

// Done implements context.Context. Who asks for it means to wait.
func (s *stoppable) Done() <-chan struct{} { return s.begin().Done() }

// Err implements context.Context.
func (s *stoppable) Err() error { return s.current().Err() }

// Value implements context.Context.
func (s *stoppable) Value(key any) any { return s.current().Value(key) }
