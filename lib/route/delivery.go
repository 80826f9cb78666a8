package route

import (
	"context"
	"errors"
	"time"

	"sessiontool/lib/account/inbox"
)

// Deliver passes an event to its reader. It returns nil only after it has written and flushed the event, which then
// counts as delivered.
type Deliver func(event inbox.Event) error

// ErrLater is what a [Deliver] returns for an event that its reader has, and that something else marks as delivered: see
// [account.Account.MarkDelivered]. If nothing does, the event comes again in a later process.
var ErrLater = errors.New("the event is marked as delivered later")

const (
	// deliveredAtOnce bounds the events whose delivery is begun, and recorded as done, in one transaction. After a kill
	// these may come again.
	deliveredAtOnce = 64
	// deliveredWithin bounds the time from an event's delivery until that is recorded, while further ones follow: for
	// a reader that takes its time, each event is recorded by itself.
	deliveredWithin = 20 * time.Millisecond
)

// delivery passes waiting events to a reader. Before an event is written, the attempt is recorded, so that a reader can
// tell a repeat. After it was written that is recorded, too, even if ctx has ended in between.
type delivery struct {
	router *Router
	handing
	written []inbox.Event // not yet recorded as delivered
	// recorded are recorded as delivered, and after was not called for them yet.
	recorded []inbox.Event
	count    int // of delivered events
}

// handing is how events are passed to a reader.
type handing struct {
	most    int // attempts after which an event is set aside
	deliver Deliver
	after   func(ctx context.Context, events []inbox.Event) error // called when events are marked as delivered; may be nil
}

// deliverAll delivers waiting events in this order and returns how many there were: other processes may have delivered
// some. After the end of ctx, other than by its deadline, it delivers no more.
func (r *Router) deliverAll(ctx context.Context, waiting []inbox.Waiting, how handing) (delivered int, err error) {
	d := &delivery{router: r, handing: how}
	for len(waiting) > 0 {
		n := d.batch(waiting)
		if err := d.run(ctx, waiting[:n]); err != nil {
			return d.count, err
		}
		waiting = waiting[n:]
	}
	return d.count, d.record(ctx, nil)
}

// batch returns how many of the waiting events to begin at once. A possible repeat is begun alone: if its reader fails
// on it again, the attempt counts for no other event.
func (d *delivery) batch(waiting []inbox.Waiting) int {
	if d.most == 1 {
		return 1
	}
	for i, one := range waiting[:min(len(waiting), deliveredAtOnce)] {
		if one.Attempts > 0 {
			return max(1, i)
		}
	}
	return min(len(waiting), deliveredAtOnce)
}

// run delivers some events, of which the last ones may not be recorded as delivered yet when it returns without an
// error.
func (d *delivery) run(ctx context.Context, waiting []inbox.Waiting) error {
	events, err := d.router.account.BeginDelivery(context.WithoutCancel(ctx), d.written, waiting, d.most)
	if err != nil {
		return err
	}
	d.recorded = append(d.recorded, d.written...)
	d.written = nil
	begun := time.Now()
	for i, event := range events {
		if err := context.Cause(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return errors.Join(err, d.record(ctx, events[i:]))
		}
		err := d.deliver(event)
		if errors.Is(err, ErrLater) {
			d.count++
			continue
		}
		if err != nil {
			return errors.Join(err, d.record(ctx, events[i+1:])) // part of the event may have been written
		}
		d.written = append(d.written, event)
		d.count++
		if time.Since(begun) > deliveredWithin {
			if err := d.record(ctx, nil); err != nil {
				return err
			}
			begun = time.Now()
		}
	}
	return nil
}

// record records the written events, and that others were not written.
func (d *delivery) record(ctx context.Context, unwritten []inbox.Event) error {
	err := d.router.account.EndDelivery(context.WithoutCancel(ctx), d.written, unwritten)
	if err == nil && d.after != nil {
		if recorded := append(d.recorded, d.written...); len(recorded) > 0 {
			err = d.after(context.WithoutCancel(ctx), recorded)
		}
		d.recorded = nil
	}
	d.written = nil
	return err
}
