package route

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/message"
	"sessiontool/lib/network"
	"sessiontool/lib/storage"
)

// Deliver passes an event to its reader. It returns nil only after it has written and flushed the event, which then
// counts as delivered.
type Deliver func(event inbox.Event) error

// PollOptions adjusts [Router.Poll].
type PollOptions struct {
	Count int // end after so many events; 0 means when there are no more
}

// deliveredAtOnce is how many events are read from the keystore at a time for delivery.
const deliveredAtOnce = 64

// Poll asks three random members of the account's swarm for new messages and opens them. It then delivers all
// undelivered events, also earlier ones, in the order of [inbox.InOrder]: members list messages in the order of
// arrival, which differs between them. Finally it sends the answers that the messages call for. If Count events wait
// already, Poll sends no request. Further events wait for the next poll.
//
// Poll succeeds if one member answered; otherwise the error wraps [ErrNotRetrieved]. It delivers waiting events also if
// no member answers in time, but not after its context was cancelled.
func (r *Router) Poll(ctx context.Context, options PollOptions, deliver Deliver) error {
	r.skipProbe()
	waiting, err := r.account.ClaimInOrder(ctx)
	if err != nil {
		return err
	}
	var failure error
	if options.Count == 0 || len(waiting) < options.Count {
		failure = r.retrieveInTime(ctx)
		claiming := ctx
		if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			claiming = context.WithoutCancel(ctx) // show what came in time
		}
		if waiting, err = r.account.ClaimInOrder(claiming); err != nil {
			return errors.Join(failure, err)
		}
	}
	if options.Count > 0 && len(waiting) > options.Count {
		waiting = waiting[:options.Count]
	}
	for some := range slices.Chunk(waiting, deliveredAtOnce) {
		if err := r.deliverEvents(ctx, some, deliver); err != nil {
			return err
		}
	}
	if errors.Is(failure, network.ErrNoSeed) || errors.Is(failure, network.ErrNoPath) {
		return failure // nothing can be sent either
	}
	_, err = r.Flush(ctx)
	if failure != nil && (options.Count == 0 || len(waiting) < options.Count) {
		return errors.Join(failure, err)
	}
	return err
}

// retrieveInTime is retrieveAll. While messages wait in the outbox it leaves them a quarter of the time: a member that
// prolongs retrieval must not hold up sending.
func (r *Router) retrieveInTime(ctx context.Context) error {
	deadline, limited := ctx.Deadline()
	empty, err := r.account.OutboxEmpty(ctx)
	if err != nil {
		return err
	}
	if limited && !empty {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, time.Now().Add(time.Until(deadline)*3/4))
		defer cancel()
	}
	return r.retrieveAll(ctx)
}

// retrieveAll receives new messages. A page without any new message, as two of three members give, costs no commit:
// their cursors are stored at the end.
func (r *Router) retrieveAll(ctx context.Context) error {
	received := make(map[[sha256.Size]byte]bool)
	repeated := make(map[network.Key]func() error)
	err := r.Retrieve(ctx, RetrieveOptions{UseCursors: true}, func(node network.Node, page []storage.Stored) error {
		before := len(received)
		for _, stored := range page {
			received[sha256.Sum256([]byte(stored.Data))] = true
		}
		read := func() error {
			_, err := r.receive(ctx, node, page[len(page)-1:], r.account.Receive)
			return err
		}
		if len(received) == before {
			repeated[node.Ed25519] = read
			return nil
		}
		delete(repeated, node.Ed25519)
		_, err := r.receive(ctx, node, page, r.account.Receive)
		return err
	})
	for _, read := range repeated {
		err = errors.Join(err, read())
	}
	return err
}

// deliverEvents delivers events, after it read the rest of each.
func (r *Router) deliverEvents(ctx context.Context, events []inbox.Event, deliver Deliver) error {
	events, err := r.account.Complete(context.WithoutCancel(ctx), events)
	if err != nil {
		return err
	}
	for _, event := range events {
		if err := r.deliverEvent(ctx, event, deliver); err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	return nil
}

// receiveFunc is [account.Account.Receive] or [account.Account.ReceiveAside].
type receiveFunc func(context.Context, []account.Incoming, *account.Cursor) ([]account.Opened, error)

// receive opens one page of one node and returns the new events to show.
func (r *Router) receive(ctx context.Context, node network.Node, page []storage.Stored,
	open receiveFunc) (fresh []inbox.Event, err error) {
	batch := make([]account.Incoming, len(page))
	for i, stored := range page {
		batch[i] = account.Incoming{Data: stored.Data, Hash: stored.Hash, Route: message.RouteAsync}
	}
	generation, err := r.network.Generation(ctx)
	if err != nil {
		return nil, err
	}
	cursor := &account.Cursor{Node: cursorName(generation, node), Hash: page[len(page)-1].Hash}
	opened, err := open(ctx, batch, cursor)
	if err != nil {
		return nil, err
	}
	return newEvents(opened), nil
}

// newEvents returns the events to show that were not received before.
func newEvents(opened []account.Opened) (fresh []inbox.Event) {
	for _, one := range opened {
		if !one.Duplicate && !one.Refused && one.Event.Shown() {
			fresh = append(fresh, one.Event)
		}
	}
	return fresh
}

// deliverEvent delivers an event and then marks it delivered, even if ctx has ended in between. A commit for each event
// costs a millisecond, and bounds what a kill can print twice to one event.
func (r *Router) deliverEvent(ctx context.Context, event inbox.Event, deliver Deliver) error {
	if err := deliver(event); err != nil {
		return err
	}
	return r.account.MarkDelivered(context.WithoutCancel(ctx), event)
}
