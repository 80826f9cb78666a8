package route

import (
	"context"
	"errors"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/record"
	"sessiontool/lib/rpc"
)

// Deliver hands an event to its reader. It counts as delivered when it returns nil: it must have written and flushed
// it.
type Deliver func(event account.Event) error

// PollOptions adjusts Poll.
type PollOptions struct {
	Count int // end after so many events; 0 means when there are no more
}

// errEnough ends a poll that has delivered as many events as it shall.
var errEnough = errors.New("enough events are delivered")

// Poll delivers what was received earlier but never printed, then asks three random members of the account's swarm
// for new messages, opens and delivers them, and sends what they call for. It succeeds if one member answered, or if
// there were as many events as options ask for; the error wraps ErrNotRetrieved otherwise. What is received beyond
// these waits for the next poll.
func (r *Router) Poll(ctx context.Context, options PollOptions, deliver Deliver) error {
	r.needNotLook()
	delivered := 0
	hand := func(events []account.Event) error {
		for _, event := range events {
			if err := r.hand(ctx, event, deliver); err != nil {
				return err
			}
			if delivered++; delivered == options.Count {
				return errEnough
			}
		}
		return nil
	}
	left, err := r.account.ClaimUndelivered(ctx)
	if err != nil {
		return err
	}
	err = hand(left)
	if err == nil {
		err = r.Retrieve(ctx, RetrieveOptions{UseCursors: true}, func(node network.Node, page []rpc.Stored) error {
			fresh, err := r.receive(ctx, node, page, r.account.Receive)
			if err != nil {
				return err
			}
			return hand(fresh)
		})
	}
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	_, err = r.Flush(ctx)
	return err
}

// receiveFunc is account.Account.Receive or account.Account.ReceiveAside.
type receiveFunc func(context.Context, []account.Incoming, *account.Cursor) ([]account.Opened, error)

// receive opens one page of one node and returns what is new in it and worth showing.
func (r *Router) receive(ctx context.Context, node network.Node, page []rpc.Stored, open receiveFunc) (fresh []account.Event, err error) {
	batch := make([]account.Incoming, len(page))
	for i, stored := range page {
		batch[i] = account.Incoming{Data: stored.Data, Hash: stored.Hash, Route: record.RouteAsync}
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

// newEvents are those worth showing that were not received before.
func newEvents(opened []account.Opened) (fresh []account.Event) {
	for _, one := range opened {
		if !one.Duplicate && !one.Refused && one.Event.Shown() {
			fresh = append(fresh, one.Event)
		}
	}
	return fresh
}

// hand delivers an event and marks it delivered afterwards, even if the caller's time has run out in between. A commit
// for each event costs a millisecond, and keeps what a kill can make appear twice down to one.
func (r *Router) hand(ctx context.Context, event account.Event, deliver Deliver) error {
	if err := deliver(event); err != nil {
		return err
	}
	return r.account.MarkDelivered(context.WithoutCancel(ctx), event)
}
