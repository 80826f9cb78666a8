package mailbox

import (
	"context"
	"encoding/hex"
	"io"
	"slices"
	"time"

	"sessiontool/lib/storage/syncroute"
)

// Bounds of pending deliveries, for one owner and for the node (sync-route.md section 5).
const (
	maxOwnerPending      = 64
	maxOwnerPendingBytes = 8 << 20
	maxPendingBytes      = 64 << 20
)

// delivery is a message that waits for its acknowledgement.
type delivery struct {
	id     ID
	data   string
	handed map[*listener]time.Time // the time at which each listener got it last

	done chan struct{} // closed when ack or err is set
	ack  string
	err  error
}

// Deliver sends data to the listeners of owner and returns the text of the first acknowledgement. The error is
// ErrNoListener if there is no listener or the last one leaves, ErrNotAcked after wait, ErrBusy, ErrMoved, ErrClosing,
// or that of ctx or of the source of randomness.
func (h *Hub) Deliver(ctx context.Context, owner, data string, wait time.Duration) (ack string, err error) {
	box, d, err := h.post(owner, data)
	if err != nil {
		return "", err
	}
	over := time.NewTimer(wait)
	defer over.Stop()
	select {
	case <-d.done:
	case <-over.C:
		h.cancel(box, d, ErrNotAcked)
	case <-ctx.Done():
		h.cancel(box, d, ctx.Err())
	}
	return d.ack, d.err
}

// post adds a pending delivery and wakes the open requests of the owner.
func (h *Hub) post(owner, data string) (*mailbox, *delivery, error) {
	d := &delivery{data: data, handed: make(map[*listener]time.Time), done: make(chan struct{})}
	if _, err := io.ReadFull(h.random, d.id[:]); err != nil {
		return nil, nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, nil, ErrClosing
	case !h.owns(owner):
		return nil, nil, ErrMoved
	}
	box := h.mailboxes[owner]
	switch {
	case box == nil:
		return nil, nil, ErrNoListener
	case len(box.pending) >= maxOwnerPending, box.pendingBytes+len(data) > maxOwnerPendingBytes,
		h.pendingBytes+len(data) > maxPendingBytes:
		return nil, nil, ErrBusy
	}
	box.pending = append(box.pending, d)
	box.pendingBytes += len(data)
	h.pendingBytes += len(data)
	for _, to := range box.listeners {
		if to.poll == nil {
			continue
		}
		select {
		case to.poll.wake <- struct{}{}:
		default: // it is awake
		}
	}
	return box, d, nil
}

// due returns the deliveries that a listener gets now, oldest first, and records the time. If there are none, next is
// the time until one may be due again.
func (box *mailbox) due(to *listener, now time.Time) (messages []syncroute.Delivery, next time.Duration) {
	next = syncroute.MaxWait
	bytes := 0
	for _, d := range box.pending {
		if at, ok := d.handed[to]; ok && now.Sub(at) < redeliverAfter {
			next = min(next, redeliverAfter-now.Sub(at))
			continue
		}
		bytes += len(d.data)
		if len(messages) > 0 && bytes > syncroute.MaxDeliveredBytes {
			break
		}
		d.handed[to] = now
		messages = append(messages, syncroute.Delivery{ID: hex.EncodeToString(d.id[:]), Data: d.data})
		if len(messages) == syncroute.MaxDeliveries {
			break
		}
	}
	return messages, next
}

// acknowledge settles the delivery that ack names, if it is pending here.
func (h *Hub) acknowledge(box *mailbox, ack Ack) {
	i := slices.IndexFunc(box.pending, func(d *delivery) bool { return d.id == ack.Delivery })
	if i < 0 {
		return
	}
	box.pending[i].ack = ack.Text
	h.settle(box, i)
}

// cancel settles a delivery with err, unless it is settled already.
func (h *Hub) cancel(box *mailbox, d *delivery, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := slices.Index(box.pending, d); i >= 0 {
		d.err = err
		h.settle(box, i)
	}
}

// failPending settles all pending deliveries with err.
func (h *Hub) failPending(box *mailbox, err error) {
	for len(box.pending) > 0 {
		box.pending[0].err = err
		h.settle(box, 0)
	}
}

// settle removes a delivery, whose ack or err is set, from the pending ones.
func (h *Hub) settle(box *mailbox, i int) {
	d := box.pending[i]
	box.pending = slices.Delete(box.pending, i, i+1)
	box.pendingBytes -= len(d.data)
	h.pendingBytes -= len(d.data)
	close(d.done)
}
