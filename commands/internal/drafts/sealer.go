package drafts

import (
	"context"

	"sessiontool/lib/account"
	"sessiontool/lib/route"
	"sessiontool/lib/sessionid"
)

// batchSealer seals the drafts of a batch. A draft whose recipient's key must be fetched waits for that, while others go
// on; drafts to one recipient are sealed in their order.
type batchSealer struct {
	account *account.Account
	keys    *route.PeerKeys
	seal    SealFunc
	last    map[sessionid.ID]chan struct{} // by recipient: closed when the latest waiting draft is sealed
}

// sealing is a draft that is sealed, or waits for it.
type sealing struct {
	sealer  *batchSealer
	draft   account.Draft
	unknown error
	before  <-chan struct{} // closed when the draft before it is sealed; nil if there is none
	sealed  chan struct{}   // nil if it was sealed at once
	done    bool            // out is sealed
	out     account.Outgoing
}

// begin seals a draft at once, unless it has to wait for a key.
func (s *batchSealer) begin(ctx context.Context, draft account.Draft, unknown error) (*sealing, error) {
	one := &sealing{sealer: s, draft: draft, unknown: unknown}
	wanted := false
	if unknown == nil {
		var err error
		if wanted, err = s.keys.Wanted(ctx, draft); err != nil {
			return nil, err
		}
	}
	before := s.last[draft.To]
	if before != nil {
		select {
		case <-before:
			before = nil
		default:
		}
	}
	if !wanted && before == nil {
		var err error
		one.out, err = sealCompleted(ctx, s.account, draft, unknown, s.seal)
		one.done = true
		return one, err
	}
	one.before, one.sealed = before, make(chan struct{})
	s.last[draft.To] = one.sealed
	return one, nil
}

// queue puts a sealed message behind the earlier ones to its recipient. It returns nil for one that is not sealed yet.
func (o *sealing) queue(router *route.Router) *route.Sending {
	if !o.done {
		return nil
	}
	return router.Begin(o.out, o.draft)
}

// finish fetches the key that the draft waits for, and seals it when its turn has come. If it fails, the next draft has
// its turn.
func (o *sealing) finish(ctx context.Context) error {
	o.sealer.keys.Fetch(ctx, o.draft.To)
	if o.before != nil {
		select {
		case <-o.before:
		case <-ctx.Done():
			o.passOn()
			return context.Cause(ctx)
		}
	}
	var err error
	if o.out, err = sealCompleted(ctx, o.sealer.account, o.draft, o.unknown, o.sealer.seal); err != nil {
		o.passOn()
	}
	o.done = err == nil
	return err
}

// passOn gives the next draft to the same recipient its turn.
func (o *sealing) passOn() { close(o.sealed) }
