package route

import (
	"context"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/message"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/sessionid"
)

// Awaited names a message that was sent: its recipient, and the timestamp that the recipient sees.
type Awaited struct {
	To          sessionid.ID
	TimestampMS int64
}

const (
	// awaitFirst and awaitLongest bound the pause between two looks for receipts, which grows by a half each time.
	awaitFirst   = time.Second
	awaitLongest = 15 * time.Second
	// awaitBack is how many of the newest events are looked through at first: a receipt may have come before.
	awaitBack = 1000
	// awaitAtOnce is how many events are read at a time afterwards.
	awaitAtOnce = 256
)

// AwaitReceipts waits until each message has a receipt of its recipient: a read receipt, or any if read is not set. It
// calls found with the event of each receipt. Events are left to any process that prints them. It looks for receipts in
// the inbox and, unless another process of the account listens, in the account's swarm. It returns those that have no
// receipt when ctx ends, with the context's cause.
func (r *Router) AwaitReceipts(ctx context.Context, messages []Awaited, read bool,
	found func(inbox.Event) error) (left []Awaited, err error) {
	waits := make(map[Awaited]bool, len(messages))
	for _, one := range messages {
		waits[one] = true
	}
	look := func(events []inbox.Event) error {
		for _, event := range events {
			if event.Kind != inbox.EventDelivery || read && event.Text != message.Read.String() {
				continue
			}
			matched := false
			for _, timestamp := range event.Timestamps {
				key := Awaited{event.From, int64(timestamp)}
				matched = matched || waits[key]
				delete(waits, key)
			}
			if matched {
				if err := found(event); err != nil {
					return err
				}
			}
		}
		return nil
	}
	events, err := r.account.Inbox(ctx, awaitBack)
	next := uint64(1)
	if len(events) > 0 {
		next = events[len(events)-1].Seq + 1
	}
	for pause := awaitFirst; err == nil; pause = min(pause*3/2, awaitLongest) {
		if err = look(events); err != nil || len(waits) == 0 {
			break
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return remaining(messages, waits), context.Cause(ctx)
		}
		if events, err = r.newerThan(ctx, &next); err != nil {
			err = r.pass("cannot look for receipts", err)
		}
	}
	return remaining(messages, waits), err
}

// newerThan fetches what is stored for the account, and returns the events from a sequence number on, which it advances.
func (r *Router) newerThan(ctx context.Context, next *uint64) (events []inbox.Event, err error) {
	if listening, err := r.account.Listening(ctx); err != nil {
		return nil, err
	} else if !listening {
		if retrieveErr, err := r.fetchAside(ctx, 0); err != nil {
			return nil, err
		} else if retrieveErr != nil {
			r.options.Log.Info("cannot ask for receipts", "error", retrieveErr)
		}
	}
	for {
		some, err := r.account.InboxFrom(ctx, *next, awaitAtOnce)
		if err != nil || len(some) == 0 {
			return events, err
		}
		events = append(events, some...)
		*next = some[len(some)-1].Seq + 1
	}
}

// fetchAside fetches what is stored for the account, and leaves it to any process that prints it. The first error is of
// the network alone.
func (r *Router) fetchAside(ctx context.Context, sides int) (retrieveErr, err error) {
	fetching := r.collect(r.account.ReceiveAside, func([]account.Opened) {})
	var failure error
	options, kept := mailbox.RetrieveOptions{UseCursors: true, Sides: sides}, context.WithoutCancel(ctx)
	retrieveErr = r.Retrieve(ctx, options, func(page mailbox.Page) (fresh int, err error) {
		fresh, failure = fetching.take(kept, page)
		return fresh, failure
	})
	if failure == nil {
		failure = fetching.flush(kept)
	}
	return retrieveErr, failure
}

// remaining returns the messages that still wait, in their order.
func remaining(messages []Awaited, waits map[Awaited]bool) (left []Awaited) {
	for _, one := range messages {
		if waits[one] {
			left = append(left, one)
		}
	}
	return left
}
