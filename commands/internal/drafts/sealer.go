package drafts

import (
	"context"
	"errors"

	"sessiontool/lib/account"
	"sessiontool/lib/route"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/trace"
)

// batchSealer seals the drafts of a batch, many in one commit. A draft whose recipient's key must be fetched waits for
// that, while others go on; drafts to one recipient are sealed in their order.
type batchSealer struct {
	account *account.Account
	router  *route.Router
	keys    *route.PeerKeys
	seal    SealFunc
	expect  func(sessionid.ID)             // begins to look up a swarm that will be needed
	last    map[sessionid.ID]chan struct{} // by recipient: closed when the latest waiting draft is sealed
	several bool                           // one has begun
}

// sealing is a draft that is sealed, or waits for it, with its place among those to its recipient.
type sealing struct {
	sealer  *batchSealer
	draft   account.Draft
	unknown error
	place   *route.Place
	span    *trace.Recording
	begun   *account.Sealing // nil while the draft waits for a key
	before  <-chan struct{}  // closed when the draft before it is sealed; nil if there is none
	passOn  chan struct{}    // nil if nothing waits for this draft
}

// begin begins to seal a draft at once, unless it has to wait for a key.
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
			delete(s.last, draft.To)
		default:
		}
	}
	one.place = s.router.Queue(draft.To)
	if s.several {
		s.expect(draft.To)
	}
	s.several = true
	if !wanted && before == nil {
		one.seals(ctx)
		return one, nil
	}
	one.before, one.passOn = before, make(chan struct{})
	s.last[draft.To] = one.passOn
	return one, nil
}

// seals begins to seal the draft.
func (o *sealing) seals(ctx context.Context) {
	_, o.span = trace.Start(ctx, trace.SpanSeal)
	o.begun = o.sealer.seal(o.sealer.account, o.draft)
}

// finish waits until the draft is sealed: before that, it fetches the key that the draft waits for. If it fails, the
// next draft to the recipient has its turn.
func (o *sealing) finish(ctx context.Context) (out account.Outgoing, err error) {
	if o.begun == nil {
		defer close(o.passOn)
		o.sealer.keys.Fetch(ctx, o.draft.To)
		if o.before != nil {
			select {
			case <-o.before:
			case <-ctx.Done():
				o.place.Leave()
				return out, context.Cause(ctx)
			}
		}
		o.place.Seals()
		o.seals(ctx)
	}
	if out, err = o.begun.Wait(ctx); err != nil {
		o.place.Leave()
	}
	o.span.Set(trace.String("protocol", string(out.Protocol)), trace.Bool("resumed", out.Resumed))
	o.span.End(err)
	if o.unknown != nil && errors.Is(err, account.ErrUnknownContact) {
		return out, o.unknown
	}
	return out, err
}
