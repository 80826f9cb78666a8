package route

import (
	"context"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/record"
	"sessiontool/lib/rpc"
)

// Deliver hands an event to its reader. It counts as delivered when it returns nil: it must have written and flushed
// it.
type Deliver func(event account.Event) error

// Poll delivers what was received earlier but never printed, then asks three random members of the account's swarm
// for new messages, opens and delivers them, and sends what they call for. It succeeds if one member answered; the
// error wraps ErrNotRetrieved otherwise.
func (r *Router) Poll(ctx context.Context, deliver Deliver) error {
	r.needNotLook()
	left, err := r.account.ClaimUndelivered(ctx)
	if err != nil {
		return err
	}
	if err := r.hand(ctx, left, deliver); err != nil {
		return err
	}
	err = r.Retrieve(ctx, RetrieveOptions{UseCursors: true}, func(node network.Node, page []rpc.Stored) error {
		return r.take(ctx, node, page, deliver)
	})
	if err != nil {
		return err
	}
	_, err = r.Flush(ctx)
	return err
}

// take opens one page of one node and delivers what is new in it.
func (r *Router) take(ctx context.Context, node network.Node, page []rpc.Stored, deliver Deliver) error {
	fresh, err := r.receive(ctx, node, page)
	if err != nil {
		return err
	}
	return r.hand(ctx, fresh, deliver)
}

// receive opens one page of one node and returns what is new in it and worth showing.
func (r *Router) receive(ctx context.Context, node network.Node, page []rpc.Stored) (fresh []account.Event, err error) {
	batch := make([]account.Incoming, len(page))
	for i, stored := range page {
		batch[i] = account.Incoming{Data: stored.Data, Hash: stored.Hash, Route: record.RouteAsync}
	}
	cursor := &account.Cursor{Node: node.Ed25519.String(), Hash: page[len(page)-1].Hash}
	opened, err := r.account.Receive(ctx, batch, cursor)
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

// hand delivers events one by one and marks each delivered afterwards, even if the caller's time has run out in
// between. A commit for each costs a millisecond, and keeps what a kill can make appear twice down to one event.
func (r *Router) hand(ctx context.Context, events []account.Event, deliver Deliver) error {
	for _, event := range events {
		if err := deliver(event); err != nil {
			return err
		}
		if err := r.account.MarkDelivered(context.WithoutCancel(ctx), event); err != nil {
			return err
		}
	}
	return nil
}
