// Package route moves messages between an account and the network. It reads like the description of the system:
// a draft is sealed, proved, and stored through onion requests at three random nodes of the recipient's swarm, which
// spread it; the recipient asks three random nodes of its own swarm and drops what it has seen.
//
// It promises that a message is in the outbox before it leaves and stays there until its receipt was reported, that a
// retry sends the same bytes unless the network asks for others, and that a received message is marked delivered only
// after its reader has it. No single node decides anything: what one asks for or refuses counts only if no other member
// of the swarm takes the message as it is.
package route

import (
	"context"
	"errors"
	"log/slog"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/pow"
	"sessiontool/lib/record"
)

// Errors of this package, besides those of account and network.
var (
	ErrNotStored    = errors.New("too few nodes of the swarm took the message")
	ErrNotRetrieved = errors.New("no node of the swarm answered")
	ErrRefused      = errors.New("the network refuses the message")
	ErrClock        = errors.New("the network refuses this machine's clock")
	ErrDifficulty   = errors.New("the network asks for more proof of work than is allowed")
)

// Asynchronous is the name of the route over stored messages in records.
const Asynchronous = "async"

// Options adjusts a Router. The zero value is usable.
type Options struct {
	Quorum        int        // how many nodes must have a message for success, at most network.SwarmTargets; 0 means 1
	MaxDifficulty int64      // refuse more proof of work than this; 0 means DefaultMaxDifficulty
	Workers       int        // for proof of work; 0 means one per processor
	Cores         *pow.Cores // for proof of work, shared with other routers; nil if there are none
	Progress      func(hashes, expected uint64)
	Log           *slog.Logger // nil: nothing is logged
}

// DefaultMaxDifficulty is well above what the network ever asked for (100), and low enough that a node that lies
// cannot keep a machine busy for hours.
const DefaultMaxDifficulty = 1000

// Router sends and receives for one account. The account may be nil for Store and Solve, the network for Solve.
type Router struct {
	account *account.Account
	network *network.Client
	options Options
}

// New makes a router.
func New(a *account.Account, n *network.Client, options Options) *Router {
	if options.Quorum == 0 {
		options.Quorum = 1
	}
	if options.MaxDifficulty == 0 {
		options.MaxDifficulty = DefaultMaxDifficulty
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	return &Router{account: a, network: n, options: options}
}

// Send delivers a message of the account's outbox. The receipt of one that was stored by an earlier run is returned
// as it was. On failure the message stays in the outbox for the next command, unless the network will never take it:
// then the error wraps ErrRefused. Other errors are those of Store.
func (r *Router) Send(ctx context.Context, out account.Outgoing) (record.Receipt, error) {
	if out.Receipt != nil {
		receipt := *out.Receipt
		receipt.Resumed = true
		return receipt, nil
	}
	receipt, err := r.Store(ctx, StoreRequest{
		To: out.To, TTLMillis: out.TTLMillis, StampMS: out.StampMS, Data: out.Data,
		Nonce: out.Nonce, Difficulty: out.Difficulty,
		Solved: func(solved StoreRequest) error {
			out.StampMS, out.Nonce, out.Difficulty = solved.StampMS, solved.Nonce, solved.Difficulty
			return r.account.SaveSolution(ctx, out)
		},
	})
	receipt.TimestampMS, receipt.Ref, receipt.Resumed = out.TimestampMS, out.Ref, out.Resumed
	// The entry's fate is written even if the caller has just run out of time.
	ctx = context.WithoutCancel(ctx)
	switch {
	case err == nil:
		return receipt, ignoreGone(r.account.SaveReceipt(ctx, out.Seq, receipt))
	case errors.Is(err, ErrRefused):
		return receipt, errors.Join(err, r.account.Discard(ctx, out))
	default:
		return receipt, errors.Join(err, ignoreGone(r.account.Release(ctx, out.Seq)))
	}
}

// ignoreGone passes over an entry that another process finished in the meantime: that is what was wanted.
func ignoreGone(err error) error {
	if errors.Is(err, account.ErrGone) {
		return nil
	}
	return err
}

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
	for _, out := range claimed {
		_, err := r.Send(ctx, out)
		switch {
		case err == nil:
			// Nobody waits for this receipt: there is nothing to report.
			if err := r.account.Discard(ctx, out); err != nil {
				return waiting, err
			}
		case ctx.Err() != nil:
			return waiting, ctx.Err()
		case errors.Is(err, ErrRefused):
			r.options.Log.Warn("message is given up", "to", out.To, "kind", out.Kind, "error", err)
		default:
			waiting++
			r.options.Log.Warn("message waits in the outbox", "to", out.To, "kind", out.Kind, "error", err)
		}
	}
	return waiting, nil
}
