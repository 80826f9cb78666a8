package replication

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/store"
)

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// sender sends one peer the changes that the queue holds for it. It retries without limit, after pauses that grow from
// firstRetry to lastRetry.
type sender struct {
	log  *slog.Logger
	stop context.CancelFunc
	wake chan struct{} // capacity 1: changes may be queued

	next      func() (store.Batch, error)                    // from the queue
	send      func(ctx context.Context, b store.Batch) error // to the peer
	done      func(b store.Batch)                            // moves the peer's cursor
	recovered func()                                         // called at the first success after failures
}

func newSender(log *slog.Logger, stop context.CancelFunc) *sender {
	return &sender{log: log, stop: stop, wake: make(chan struct{}, 1)}
}

// wakeUp reports that changes may be queued.
func (s *sender) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run sends batch after batch until ctx ends. It begins with the changes that are queued already.
func (s *sender) run(ctx context.Context) {
	for delay := firstRetry; ctx.Err() == nil; {
		more, err := s.sendNext(ctx)
		switch {
		case err == nil && more:
			if delay != firstRetry {
				s.recovered()
			}
			delay = firstRetry
		case err == nil:
			select {
			case <-s.wake:
			case <-ctx.Done():
			}
		case ctx.Err() == nil:
			if delay == firstRetry {
				s.log.Info("peer does not take messages", "error", err)
			}
			select {
			case <-time.After(delay):
			case <-ctx.Done():
			}
			delay = min(2*delay, lastRetry)
		}
	}
}

// sendNext sends the next batch. It returns false if there was none.
func (s *sender) sendNext(ctx context.Context) (more bool, err error) {
	b, err := s.next()
	if err != nil || b.Empty() {
		return false, err
	}
	if b.Count > 0 {
		err = s.send(ctx, b)
	}
	if errors.Is(err, peerhttp.ErrRefused) {
		s.log.Error("giving up on messages for a peer", "count", b.Count, "error", err)
		err = nil
	}
	if err == nil {
		s.done(b)
	}
	return true, err
}
