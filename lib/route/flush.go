package route

import (
	"context"
	"errors"

	"sessiontool/lib/account"
)

// Flush sends the outbox entries of earlier commands, oldest first, and the answers that the account owes. It returns
// how many still wait. A message that cannot be sent now does not hold up the others.
func (r *Router) Flush(ctx context.Context) (waiting int, err error) {
	return r.FlushEach(ctx, func(account.Outgoing, account.Receipt, error) error { return nil })
}

// Flushed is called with an outbox entry and its receipt, or the error because of which it was given up or still waits.
type Flushed func(out account.Outgoing, receipt account.Receipt, err error) error

// FlushEach is [Router.Flush] with a call of done for each entry. An error of done stops it.
func (r *Router) FlushEach(ctx context.Context, done Flushed) (waiting int, err error) {
	if err := r.account.AnswerOwed(ctx); err != nil {
		return 0, err
	}
	empty, err := r.account.OutboxEmpty(ctx)
	if err != nil || empty {
		return 0, err
	}
	claimed, err := r.account.ClaimOutbox(ctx)
	if err != nil {
		return 0, err
	}
	return r.sendClaimed(ctx, claimed, done)
}

// sendEarlier sends the outbox entries for the recipient of out that are older than it. Batches double after each
// success; the first failure stops, so that without a network no command tries the whole outbox.
func (r *Router) sendEarlier(ctx context.Context, out account.Outgoing) error {
	for most := 1; ; most *= 2 {
		claimed, err := r.account.ClaimEarlier(ctx, out, most)
		if err != nil || len(claimed) == 0 {
			return err
		}
		ignored := func(account.Outgoing, account.Receipt, error) error { return nil }
		if waiting, err := r.sendClaimed(ctx, claimed, ignored); err != nil || waiting > 0 {
			return err
		}
	}
}

// sendClaimed sends claimed messages in order, calls done for each, and returns how many of them still wait.
func (r *Router) sendClaimed(ctx context.Context, claimed []account.Outgoing, done Flushed) (waiting int, err error) {
	for i, out := range claimed {
		receipt, err := r.Send(ctx, out)
		if err == nil {
			err = r.settle(ctx, out)
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			// This process may go on, so it must release its claims.
			return waiting, errors.Join(ctx.Err(), r.release(ctx, claimed[i+1:]))
		case errors.Is(err, ErrRefused):
			r.options.Log.Warn("message is given up", "to", out.To, "kind", out.Kind, "error", err)
		default:
			waiting++
			r.options.Log.Warn("message waits in the outbox", "to", out.To, "kind", out.Kind, "error", err)
		}
		if err := done(out, receipt, err); err != nil {
			return waiting, errors.Join(err, r.release(ctx, claimed[i+1:]))
		}
	}
	return waiting, nil
}

// settle finishes an outbox entry of an earlier command. A user's message stays with its receipt for a while: the user
// may run the command again without knowing that the message was sent.
func (r *Router) settle(ctx context.Context, out account.Outgoing) error {
	ctx = context.WithoutCancel(ctx)
	if out.Kind == account.KindText || out.Kind == account.KindFriendRequest {
		return ignoreGone(r.account.Release(ctx, out.Seq))
	}
	return r.account.Discard(ctx, out)
}

// release releases claimed messages.
func (r *Router) release(ctx context.Context, claimed []account.Outgoing) error {
	ctx = context.WithoutCancel(ctx)
	var errs []error
	for _, out := range claimed {
		errs = append(errs, ignoreGone(r.account.Release(ctx, out.Seq)))
	}
	return errors.Join(errs...)
}
