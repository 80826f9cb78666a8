package route

import (
	"context"
	"errors"
	"time"

	"sessiontool/lib/network"
)

// ClockError is the ErrClock of a network that has said, or has not, how far this machine's clock is off.
type ClockError struct {
	Offset time.Duration // what the network's clock is ahead; meaningless if Cause is why it is not known
	Cause  error
}

// Error implements error.
func (e *ClockError) Error() string {
	switch {
	case e.Cause != nil:
		return ErrClock.Error() + ": " + e.Cause.Error()
	case e.Offset == 0:
		return ErrClock.Error() + ", which is " + network.Lag(0) + " by what the network itself says"
	}
	return ErrClock.Error() + ": it is " + network.Lag(e.Offset)
}

// Unwrap makes it an ErrClock, and whatever its cause is.
func (e *ClockError) Unwrap() []error {
	if e.Cause == nil {
		return []error{ErrClock}
	}
	return []error{ErrClock, e.Cause}
}

// refusesClock is the error of a time that is refused after the clock was learned.
func (r *Router) refusesClock() error { return &ClockError{Offset: r.network.Offset()} }

// learnClock learns the network's time after a refusal. The error is a ClockError or the context's.
func (r *Router) learnClock(ctx context.Context) error {
	_, err := r.network.SyncClock(ctx)
	if err != nil && ctx.Err() == nil {
		return &ClockError{Cause: err}
	}
	return err
}

// errWrongTime reports that the network refused a message's time, that the clock is known since then, and that the message,
// which no node has, should be sealed anew with the right time: see account.Account.Reseal.
var errWrongTime = errors.New("the message was sealed with a wrong time")
