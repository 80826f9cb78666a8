package node

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"sessiontool/lib/node/store"
)

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// outbox gives one peer what the queue holds for it, for as long as it takes.
type outbox struct {
	log  *slog.Logger
	stop context.CancelFunc
	wake chan struct{} // holds a token if messages may be waiting

	next func() (store.Batch, error)                    // from the queue
	send func(ctx context.Context, b store.Batch) error // to the peer
	done func(b store.Batch)                            // moves the peer's cursor
	back func()                                         // the peer takes messages again after it did not
}

func newOutbox(log *slog.Logger, stop context.CancelFunc) *outbox {
	return &outbox{log: log, stop: stop, wake: make(chan struct{}, 1)}
}

// signal tells that messages may be waiting.
func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// run sends batch after batch until ctx ends. What is in the line when it starts counts, too.
func (o *outbox) run(ctx context.Context) {
	for delay := firstRetry; ctx.Err() == nil; {
		more, err := o.deliver(ctx)
		switch {
		case err == nil && more:
			if delay != firstRetry {
				o.back()
			}
			delay = firstRetry
		case err == nil:
			select {
			case <-o.wake:
			case <-ctx.Done():
			}
		case ctx.Err() == nil:
			if delay == firstRetry {
				o.log.Info("peer does not take messages", "error", err)
			}
			select {
			case <-time.After(delay):
			case <-ctx.Done():
			}
			delay = min(2*delay, lastRetry)
		}
	}
}

// deliver sends the next batch. It reports false if there was none.
func (o *outbox) deliver(ctx context.Context) (more bool, err error) {
	b, err := o.next()
	if err != nil || b.Empty() {
		return false, err
	}
	if b.Count > 0 {
		err = o.send(ctx, b)
	}
	if errors.Is(err, errPeerRefused) {
		o.log.Error("giving up on messages for a peer", "count", b.Count, "error", err)
		err = nil
	}
	if err == nil {
		o.done(b)
	}
	return true, err
}
