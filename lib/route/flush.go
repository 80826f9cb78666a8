package route

import (
	"context"
	"errors"

	"sessiontool/lib/account"
)

// Flush sends what earlier commands left in the outbox, oldest first, and reports how many messages still wait. A
// message that can not be sent now does not keep the others back.
func (r *Router) Flush(ctx context.Context) (waiting int, err error) {
	empty, err := r.account.OutboxEmpty(ctx)
	if err != nil || empty {
		return 0, err
	}
	claimed, dropped, err := r.account.ClaimOutbox(ctx)
	if err != nil {
		return 0, err
	}
	for _, out := range dropped {
		r.options.Log.Warn("message expired before it could be sent", "to", out.To, "kind", out.Kind)
	}
	return r.sendClaimed(ctx, claimed)
}

// sendEarlier sends what waits for the recipient of out since before it. One message that cannot be sent is enough to let
// out go on: while the network is away nobody tries the whole outbox each time. So the first tells for one other, these
// for two, and so on.
func (r *Router) sendEarlier(ctx context.Context, out account.Outgoing) error {
	for most := 1; ; most *= 2 {
		claimed, err := r.account.ClaimEarlier(ctx, out, most)
		if err != nil || len(claimed) == 0 {
			return err
		}
		if waiting, err := r.sendClaimed(ctx, claimed); err != nil || waiting > 0 {
			return err
		}
	}
}

// sendClaimed sends messages that this process has taken over, in their order, and reports how many of them still wait.
func (r *Router) sendClaimed(ctx context.Context, claimed []account.Outgoing) (waiting int, err error) {
	for i, out := range claimed {
		_, err := r.Send(ctx, out)
		if err == nil {
			err = r.settle(ctx, out)
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			// This process may live on, so what it has claimed must be given back.
			return waiting, errors.Join(ctx.Err(), r.release(ctx, claimed[i+1:]))
		case errors.Is(err, ErrRefused):
			r.options.Log.Warn("message is given up", "to", out.To, "kind", out.Kind, "error", err)
		default:
			waiting++
			r.options.Log.Warn("message waits in the outbox", "to", out.To, "kind", out.Kind, "error", err)
		}
	}
	return waiting, nil
}

// settle ends what became of a message that some earlier command left behind. What a user has asked for is remembered for
// a while with its receipt: the user may not know that it was sent, and run the command again.
func (r *Router) settle(ctx context.Context, out account.Outgoing) error {
	ctx = context.WithoutCancel(ctx)
	if out.Kind == account.KindText || out.Kind == account.KindFriendRequest {
		return ignoreGone(r.account.Release(ctx, out.Seq))
	}
	return r.account.Discard(ctx, out)
}

// release gives messages back that were claimed.
func (r *Router) release(ctx context.Context, claimed []account.Outgoing) error {
	ctx = context.WithoutCancel(ctx)
	var errs []error
	for _, out := range claimed {
		errs = append(errs, ignoreGone(r.account.Release(ctx, out.Seq)))
	}
	return errors.Join(errs...)
}
