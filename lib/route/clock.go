package route

import (
	"context"
	"errors"
	"slices"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
)

// ClockError is an ErrClock that says how far this machine's clock is off.
type ClockError = network.ClockError

// errWrongTime reports that the network refused a message's time, that the clock is known since then, and that the
// message, which no node has, should be sealed anew with the right time: see account.Account.Reseal.
var errWrongTime = errors.New("the message was sealed with a wrong time")

// clockChange returns by how much the network's clock is further ahead than it was thought to be, with the offset
// before, when a message was sealed. If an answer since then has raised doubt, it looks at the clock again. A change
// that the network tolerates is none. The error is the context's.
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

// clockBeforeStore is clockChange once the swarm of a recipient is known, which a store needs too: who tells the swarm
// may tell the time.
func (r *Router) clockBeforeStore(ctx context.Context, to sessionid.ID, before time.Duration) (time.Duration, error) {
	if _, err := r.network.Swarm(ctx, to); err != nil {
		r.options.Log.Info("the swarm is not known yet", "error", err)
	}
	return r.clockChange(ctx, before)
}

// warnOfClock warns of a clock that has turned out to be wrong when a message was under way already. Its receipt counts
// more than that, so that the end of ctx is no error.
func (r *Router) warnOfClock(ctx context.Context, before time.Duration) {
	switch change, err := r.clockChange(ctx, before); {
	case err != nil:
		r.options.Log.Info("no time to look at the clock", "error", err)
	case change != 0:
		r.options.Log.Warn("a message was dated by a clock that is wrong; the next ones will be right", "clock", network.Lag(change))
	}
}

// tolerated is by how much the time of a message may be wrong without being worth a new one: the network allows as
// much.
const tolerated = storage.MaxFutureMillis * time.Millisecond

// handedToNobody are the reasons that mean that no node has been given the message: it can still be sealed anew.
var handedToNobody = map[account.Reason]bool{
	"": true, account.ReasonProtocol: true, account.ReasonNoStatus: true, account.ReasonOffline: true, account.ReasonStale: true,
}

// refusedTime reports whether every member that was asked has refused the time, so that none can have the message.
func refusedTime(results []account.NodeResult) bool {
	return !slices.ContainsFunc(results, func(result account.NodeResult) bool {
		return result.Status != storage.StatusBadTimestamp && result.Status != storage.StatusTooEarly
	})
}
