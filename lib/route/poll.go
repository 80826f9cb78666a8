package route

import (
	"context"
	"errors"
	"slices"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/network"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/trace"
)

// PollOptions adjusts [Router.Poll].
type PollOptions struct {
	Count       int                           // end after so many events; 0 means when there are no more
	MaxAttempts int                           // deliveries of an event after which it is set aside; 0 means that none is
	Truncated   func(mailbox.Truncated) error // called for a member whose list was not read to its end; may be nil
	// Skip accepts the events that are passed over: they count as delivered, and not for Count. It may be nil.
	Skip func(inbox.Waiting) bool
	// Delivered is called when events were marked as delivered; it may be nil.
	Delivered func(ctx context.Context, events []inbox.Event) error
}

func (o PollOptions) handing(deliver Deliver) handing {
	return handing{o.MaxAttempts, deliver, o.Delivered}
}

// Poll asks three random members of the account's swarm for new messages and opens them. It then delivers all
// undelivered events, also earlier ones, in the order of [inbox.InOrder]: members list messages in the order of
// arrival, which differs between them. An event at their end counts what was not kept of strangers (see
// [account.Account.ClaimReport]); it does not count for Count. Finally it sends the answers that the messages call for.
// If Count events wait already, Poll sends no request. Further events wait for the next poll.
//
// Poll succeeds if one member answered; otherwise the error wraps [ErrNotRetrieved]. It delivers waiting events also if
// no member answers in time, but not after its context was cancelled.
func (r *Router) Poll(ctx context.Context, options PollOptions, deliver Deliver) error {
	ctx, span := trace.Begin(ctx, trace.SpanPoll)
	err := r.poll(ctx, options, deliver)
	span.End(err)
	return err
}

// poll is Poll within its span.
func (r *Router) poll(ctx context.Context, options PollOptions, deliver Deliver) error {
	r.skipProbe()
	waiting, err := r.waiting(ctx, options.Skip)
	if err != nil {
		return err
	}
	var failure error
	if options.Count == 0 || len(waiting) < options.Count {
		failure = r.retrieveInTime(ctx, options.Truncated)
		if failure == nil {
			if _, err := r.account.Polled(ctx); err != nil {
				return err
			}
		}
		listing := ctx
		if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			listing = context.WithoutCancel(ctx) // show what came in time
		}
		if waiting, err = r.waiting(listing, options.Skip); err != nil {
			return errors.Join(failure, err)
		}
	}
	if options.Count > 0 && len(waiting) > options.Count {
		waiting = waiting[:options.Count]
	}
	if _, err := r.deliverAll(ctx, waiting, options.handing(deliver)); err != nil {
		return err
	}
	if options.Count == 0 || len(waiting) < options.Count {
		if err := r.deliverReport(ctx, deliver); err != nil {
			return errors.Join(failure, err)
		}
	}
	if errors.Is(failure, network.ErrNoSeed) || errors.Is(failure, network.ErrNoPath) {
		return failure // nothing can be sent either
	}
	err = r.flushAndReport(ctx, options, handed(waiting), deliver)
	if failure != nil && (options.Count == 0 || len(waiting) < options.Count) {
		return errors.Join(failure, err)
	}
	return err
}

// handed returns the numbers of events.
func handed(waiting []inbox.Waiting) map[uint64]bool {
	numbers := make(map[uint64]bool, len(waiting))
	for _, one := range waiting {
		numbers[one.Seq] = true
	}
	return numbers
}

// flushAndReport sends the outbox, and delivers the events of messages that were given up. With a Count they wait for the
// next poll.
//
// Those that were handed over before are left out: they still wait if their delivery was [ErrLater].
func (r *Router) flushAndReport(ctx context.Context, options PollOptions, before map[uint64]bool,
	deliver Deliver) error {
	dropped := false
	_, err := r.FlushEach(ctx, func(_ account.Outgoing, _ account.Receipt, err error) error {
		dropped = dropped || errors.As(err, new(*Dropped))
		return nil
	})
	if !dropped || options.Count > 0 {
		return err
	}
	waiting, listErr := r.waiting(ctx, options.Skip)
	waiting = slices.DeleteFunc(waiting, func(w inbox.Waiting) bool { return before[w.Seq] })
	if listErr == nil {
		_, listErr = r.deliverAll(ctx, waiting, options.handing(deliver))
	}
	return errors.Join(err, listErr)
}

// retrieveInTime is retrieveAll. While messages wait in the outbox it leaves them a quarter of the time: a member that
// prolongs retrieval must not hold up sending.
func (r *Router) retrieveInTime(ctx context.Context, truncated func(mailbox.Truncated) error) error {
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
	return r.retrieve(ctx, truncated)
}

// retrieveAll receives new messages.
func (r *Router) retrieveAll(ctx context.Context, truncated func(mailbox.Truncated) error) error {
	fetching := r.collect(r.account.Receive, func([]account.Opened) {})
	fetching.beside = true
	options := mailbox.RetrieveOptions{UseCursors: true, Truncated: truncated}
	err := r.Retrieve(ctx, options, func(page mailbox.Page) (int, error) {
		return fetching.take(ctx, page)
	})
	return errors.Join(err, fetching.flush(context.WithoutCancel(ctx)))
}

// deliverReport delivers the event that says what was not kept of strangers, if there is something to say.
func (r *Router) deliverReport(ctx context.Context, deliver Deliver) error {
	event, found, err := r.account.ClaimReport(context.WithoutCancel(ctx))
	if err != nil || !found {
		return err
	}
	return r.deliverClaimed(ctx, event, deliver)
}

// deliverClaimed delivers such an event.
func (r *Router) deliverClaimed(ctx context.Context, event inbox.Event, deliver Deliver) error {
	if err := deliver(event); err != nil {
		return err
	}
	return r.account.ReportDelivered(context.WithoutCancel(ctx), event)
}

// newMessages returns how many messages were not received before.
func newMessages(opened []account.Opened) (fresh int) {
	for _, one := range opened {
		if !one.Duplicate {
			fresh++
		}
	}
	return fresh
}

// newEvents returns the events that were not received before and are in the inbox.
func newEvents(opened []account.Opened) (fresh []inbox.Waiting) {
	for _, one := range opened {
		if !one.Duplicate && one.Event.Seq != 0 {
			fresh = append(fresh, inbox.WaitingOf(one.Event))
		}
	}
	return fresh
}
