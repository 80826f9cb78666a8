package route

import (
	"context"
	"errors"
	"slices"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/network"
	"sessiontool/lib/network/lag"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
)

// ClockError is an [ErrClock] with the error of this machine's clock.
type ClockError = network.ClockError

// errWrongTime reports that the network refused a message's time, that the clock is known since then, and that no node
// has the message. The caller should seal it again: see [account.Account.Reseal].
var errWrongTime = errors.New("the message was sealed with a wrong time")

// clockChange returns how far the clock offset has changed since a message was sealed with offset before: 0 if the
// network tolerates the change. If an answer since then has raised doubt, it asks for the time again. The error is the
// context's.
func (r *Router) clockChange(ctx context.Context, before time.Duration) (time.Duration, error) {
	if err := r.network.SureClock(ctx); err != nil {
		return 0, err
	}
	change := r.network.Offset() - before
	if change.Abs() <= tolerated {
		return 0, nil
	}
	return change, nil
}

// clockBeforeStore looks up the recipient's swarm, which a store needs anyway, since the answer may also give the time.
// Then it returns clockChange.
func (r *Router) clockBeforeStore(ctx context.Context, to sessionid.ID, before time.Duration) (time.Duration, error) {
	if _, err := r.network.Swarm(ctx, to); err != nil {
		r.options.Log.Info("the swarm is not known yet", "error", err)
	}
	return r.clockChange(ctx, before)
}

// warnOfClock logs a warning if the clock turned out to be wrong while a message was in flight. It only
// logs the end of ctx, because the receipt must still be returned.
func (r *Router) warnOfClock(ctx context.Context, before time.Duration) {
	switch change, err := r.clockChange(ctx, before); {
	case err != nil:
		r.options.Log.Info("no time to look at the clock", "error", err)
	case change != 0:
		r.options.Log.Warn("a message was dated by a clock that is wrong; the next ones will be right", "clock",
			lag.Words(change))
	}
}

// tolerated is the largest error of a message's time for which it is not sealed again: the network allows as much.
const tolerated = storage.MaxFutureMillis * time.Millisecond

// handedToNobody has the reasons after which no node has received the message, so that it can still be sealed again.
var handedToNobody = map[account.Reason]bool{
	"": true, outbox.ReasonProtocol: true, outbox.ReasonNoStatus: true, outbox.ReasonOffline: true,
	outbox.ReasonStale: true, outbox.ReasonQueued: true,
}

// refusedTime reports whether every asked member has refused the time, so that none can have the message.
func refusedTime(results []account.NodeResult) bool {
	return !slices.ContainsFunc(results, func(result account.NodeResult) bool {
		return result.Status != storage.StatusBadTimestamp && result.Status != storage.StatusTooEarly
	})
}
