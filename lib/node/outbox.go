package node

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxBatchBytes bounds a push, unless a single message exceeds it. It keeps the request below smallBody.
	maxBatchBytes = 400_000
	// maxOutboxBytes bounds what waits for one peer. The oldest messages give way.
	maxOutboxBytes = 16 << 20

	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// outbox holds the messages that one peer has yet to get, in memory.
type outbox struct {
	log    *slog.Logger
	now    func() time.Time
	stop   context.CancelFunc
	target atomic.Pointer[peer]
	send   func(ctx context.Context, batch []message) error
	wake   chan struct{} // holds a token if messages may be waiting

	mu       sync.Mutex
	waiting  []message
	bytes    int
	dropping bool // messages have given way since the last batch was taken
}

func newOutbox(log *slog.Logger, now func() time.Time, stop context.CancelFunc) *outbox {
	return &outbox{log: log, now: now, stop: stop, wake: make(chan struct{}, 1)}
}

// add puts a message in line.
func (o *outbox) add(m message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = append(o.waiting, m)
	o.bytes += m.size()
	for o.bytes > maxOutboxBytes {
		if !o.dropping {
			o.log.Warn("peer is behind; it will miss messages")
		}
		o.dropping = true
		o.drop(1)
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take removes the next batch from the line. It is empty if nothing waits.
func (o *outbox) take() []message {
	o.mu.Lock()
	defer o.mu.Unlock()
	count, size := 0, 0
	for count < len(o.waiting) && (count == 0 || size+o.waiting[count].size() <= maxBatchBytes) {
		size += o.waiting[count].size()
		count++
	}
	batch := slices.Clone(o.waiting[:count])
	o.drop(count)
	o.dropping = false
	return batch
}

// drop removes the first count messages.
func (o *outbox) drop(count int) {
	for _, m := range o.waiting[:count] {
		o.bytes -= m.size()
	}
	clear(o.waiting[:count]) // append leaves them behind some day
	o.waiting = o.waiting[count:]
}

// run sends batch after batch until ctx ends.
func (o *outbox) run(ctx context.Context) {
	for ctx.Err() == nil {
		if batch := o.take(); len(batch) > 0 {
			o.deliver(ctx, batch)
			continue
		}
		select {
		case <-o.wake:
		case <-ctx.Done():
		}
	}
}

// deliver sends a batch until the peer has it, refuses it for good, or nothing of it is worth sending any more.
func (o *outbox) deliver(ctx context.Context, batch []message) {
	for delay := firstRetry; len(batch) > 0; delay = min(2*delay, lastRetry) {
		err := o.send(ctx, batch)
		switch {
		case err == nil || ctx.Err() != nil:
			return
		case errors.Is(err, errPushRefused):
			o.log.Error("giving up on messages for a peer", "count", len(batch), "error", err)
			return
		case delay == firstRetry:
			o.log.Info("peer does not take messages", "error", err)
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return
		}
		now := o.now().UnixMilli()
		batch = slices.DeleteFunc(batch, func(m message) bool { return m.expiration() <= now })
	}
}
