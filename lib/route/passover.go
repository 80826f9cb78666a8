package route

import (
	"context"
	"slices"

	"sessiontool/lib/account/inbox"
)

// passOver marks the waiting events that skip accepts as delivered, and returns the others. A nil skip accepts none.
func (r *Router) passOver(ctx context.Context, waiting []inbox.Waiting,
	skip func(inbox.Waiting) bool) ([]inbox.Waiting, error) {
	if skip == nil {
		return waiting, nil
	}
	var rest []inbox.Waiting
	var passed []inbox.Event
	for _, one := range waiting {
		if skip(one) {
			passed = append(passed, inbox.Event{Seq: one.Seq})
		} else {
			rest = append(rest, one)
		}
	}
	for some := range slices.Chunk(passed, deliveredAtOnce) {
		if err := r.account.MarkDelivered(context.WithoutCancel(ctx), some...); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// waiting returns the events that wait for their reader, after it passed over those that skip accepts.
func (r *Router) waiting(ctx context.Context, skip func(inbox.Waiting) bool) ([]inbox.Waiting, error) {
	all, err := r.account.Waiting(ctx)
	if err != nil {
		return nil, err
	}
	return r.passOver(ctx, all, skip)
}
