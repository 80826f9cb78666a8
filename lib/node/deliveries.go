package node

import (
	"context"
	"encoding/hex"
	"io"
	"slices"
	"time"

	"sessiontool/lib/rpc"
)

// Bounds of what waits to be acknowledged: with one key, and at the whole node (sync-route.md section 5).
const (
	maxKeyWaiting      = 64
	maxKeyWaitingBytes = 8 << 20
	maxWaitingBytes    = 64 << 20
)

// delivery is a message whose deliverer waits for the acknowledgement.
type delivery struct {
	id     shortID
	data   string
	handed map[*listener]time.Time // when each got it last

	done chan struct{} // closed when it is settled: ack or err is set
	ack  string
	err  error
}

// deliver hands data to those who listen for owner and returns the first acknowledgement. The error is errNobodyListens,
// at once also when the last of them leaves; errNotAcked after wait; errListeningBusy, errMoved or errClosing; the
// context's, or that of the source of randomness.
func (l *listeners) deliver(ctx context.Context, owner, data string, wait time.Duration) (ack string, err error) {
	a, d, err := l.post(owner, data)
	if err != nil {
		return "", err
	}
	over := time.NewTimer(wait)
	defer over.Stop()
	select {
	case <-d.done:
	case <-over.C:
		l.giveUp(a, d, errNotAcked)
	case <-ctx.Done():
		l.giveUp(a, d, ctx.Err())
	}
	return d.ack, d.err
}

// post puts a message in line and wakes those who wait for one.
func (l *listeners) post(owner, data string) (*audience, *delivery, error) {
	d := &delivery{data: data, handed: make(map[*listener]time.Time), done: make(chan struct{})}
	if _, err := io.ReadFull(l.random, d.id[:]); err != nil {
		return nil, nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, nil, errClosing
	case !l.owns(owner):
		return nil, nil, errMoved
	}
	a := l.audiences[owner]
	switch {
	case a == nil:
		return nil, nil, errNobodyListens
	case len(a.waiting) >= maxKeyWaiting, a.bytes+len(data) > maxKeyWaitingBytes, l.bytes+len(data) > maxWaitingBytes:
		return nil, nil, errListeningBusy
	}
	a.waiting = append(a.waiting, d)
	a.bytes += len(data)
	l.bytes += len(data)
	for _, to := range a.listeners {
		if to.poll == nil {
			continue
		}
		select {
		case to.poll.wake <- struct{}{}:
		default: // it is awake
		}
	}
	return a, d, nil
}

// due returns what the listener is to get now, oldest first, and notes that it does; and, if that is nothing, how long
// until something may be due again.
func (a *audience) due(to *listener, now time.Time) (messages []rpc.Delivery, next time.Duration) {
	next = rpc.MaxWait
	bytes := 0
	for _, d := range a.waiting {
		if at, ok := d.handed[to]; ok && now.Sub(at) < redeliverAfter {
			next = min(next, redeliverAfter-now.Sub(at))
			continue
		}
		bytes += len(d.data)
		if len(messages) > 0 && bytes > rpc.MaxDeliveredBytes {
			break
		}
		d.handed[to] = now
		messages = append(messages, rpc.Delivery{ID: hex.EncodeToString(d.id[:]), Data: d.data})
		if len(messages) == rpc.MaxDeliveries {
			break
		}
	}
	return messages, next
}

// acknowledge settles the delivery that ack names, if it waits here.
func (l *listeners) acknowledge(a *audience, ack ack) {
	i := slices.IndexFunc(a.waiting, func(d *delivery) bool { return d.id == ack.delivery })
	if i < 0 {
		return
	}
	a.waiting[i].ack = ack.text
	l.settle(a, i)
}

// giveUp settles a delivery with err, unless it is settled.
func (l *listeners) giveUp(a *audience, d *delivery, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(a.waiting, d); i >= 0 {
		d.err = err
		l.settle(a, i)
	}
}

// refuse settles all that waits with err.
func (l *listeners) refuse(a *audience, err error) {
	for len(a.waiting) > 0 {
		a.waiting[0].err = err
		l.settle(a, 0)
	}
}

// settle takes a delivery, whose outcome is set, out of the line.
func (l *listeners) settle(a *audience, i int) {
	d := a.waiting[i]
	a.waiting = slices.Delete(a.waiting, i, i+1)
	a.bytes -= len(d.data)
	l.bytes -= len(d.data)
	close(d.done)
}
