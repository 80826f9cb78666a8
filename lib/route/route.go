// Package route moves messages between an account and the network. A draft is sealed, gets its proof of work, and is
// stored through onion requests at three random nodes of the recipient's swarm, which spread it. The recipient polls
// three random nodes of its own swarm and drops duplicates. An online recipient listens at one node of its swarm:
// messages are delivered to it there, acknowledged, and not stored.
//
// It promises that a message is in the outbox before it leaves and stays there until its receipt was reported, that a
// retry sends the same bytes unless the network asks for others, and that a received message is marked delivered only
// after its reader has it. A message that was not acknowledged takes the asynchronous route with the same bytes, so it
// is neither lost nor shown twice. No single node decides: a member's request or refusal counts only if no other member
// of the swarm takes the message as it is.
package route

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/network"
	"sessiontool/lib/pow"
	"sessiontool/lib/route/crowd"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/syncroute"
	"sessiontool/lib/trace"
)

// Errors of this package, in addition to those of [sessiontool/lib/account], [sessiontool/lib/network] and
// [sessiontool/lib/route/mailbox].
var (
	ErrNotStored    = mailbox.ErrNotStored
	ErrNotDelivered = errors.New("the recipient has not acknowledged the message")
	ErrNotRetrieved = mailbox.ErrNotRetrieved
	ErrRefused      = mailbox.ErrRefused
	ErrClock        = network.ErrClock
	ErrDifficulty   = errors.New("the network asks for more proof of work than is allowed")
)

// Options adjusts a [Prover], [Storer] or [Router]. The zero value is usable.
type Options struct {
	// OnlyAsync leaves out the synchronous route. AckTimeout bounds the wait for an acknowledgement there, at most
	// [syncroute.MaxWait]; 0 means [syncroute.DefaultWait].
	OnlyAsync  bool
	AckTimeout time.Duration
	Quorum     int // nodes that must have a message, at most network.SwarmTargets; 0 means 1
	// MaxProof bounds the time that a proof of work takes on this machine on average; 0 means DefaultMaxProof. More
	// than that is refused and not begun.
	MaxProof time.Duration
	HashRate float64    // of this machine, in hashes a second; 0 means measured when it matters
	Workers  int        // for proof of work; 0 means one per processor
	Cores    *pow.Cores // for proof of work, shared with other routers; nil if there are none
	Progress func(hashes, expected uint64)
	Log      *slog.Logger // nil: nothing is logged

	probeLeast time.Duration // more than the constant, for tests on a busy machine
}

// Prover makes proofs of work.
type Prover struct {
	options  Options
	measured hashRate
}

// NewProver makes a prover.
func NewProver(options Options) *Prover { return &Prover{options: options.complete()} }

// Storer stores messages in swarms, after their proof of work.
type Storer struct {
	*Prover
	network *network.Client
}

// NewStorer makes a storer.
func NewStorer(n *network.Client, options Options) *Storer { return &Storer{NewProver(options), n} }

// Generation returns the network's storage RPC: see [network.Client.Generation].
func (s *Storer) Generation(ctx context.Context) (storage.Generation, error) {
	return s.network.Generation(ctx)
}

// Router sends and receives for one account. It is safe for concurrent use.
type Router struct {
	*Storer
	*mailbox.Box
	account *account.Account

	queues  queues
	reseals queues // of messages that may have to be sealed again
	crowds  crowd.Crowds

	probe probe

	lacksIPv4 sync.Once // log it as a warning once
}

// New makes a router. [Router.Close] ends it.
func New(a *account.Account, n *network.Client, options Options) *Router {
	storer := NewStorer(n, options)
	return &Router{Storer: storer, Box: mailbox.New(a, n, storer.options.Log), account: a}
}

// complete fills in defaults.
func (o Options) complete() Options {
	if o.Quorum == 0 {
		o.Quorum = 1
	}
	if o.AckTimeout == 0 {
		o.AckTimeout = syncroute.DefaultWait
	}
	if o.MaxProof == 0 {
		o.MaxProof = DefaultMaxProof
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Send sends a message of the account's outbox: over the synchronous route if the recipient listens, and over the
// asynchronous one otherwise or without an acknowledgement. It first sends older entries for the same recipient. For a
// message that an earlier run has sent, it returns that receipt. On failure the message stays in the outbox for the
// next command, or for a rerun of its own command if it is OnlySync. A message that the network will never take is
// dropped; the error then wraps [ErrRefused]. Other errors are those of [Storer.Store], and [ErrNotDelivered].
func (r *Router) Send(ctx context.Context, out account.Outgoing) (account.Receipt, error) {
	return r.send(ctx, out, sealing{offset: r.network.Offset()}, nil)
}

// SendDraft is [Router.Send] for a just sealed message. If every node refuses its time, SendDraft seals the draft again
// with the network's time. It returns the message that it has sent.
func (r *Router) SendDraft(ctx context.Context, out account.Outgoing,
	draft account.Draft) (account.Outgoing, account.Receipt, error) {
	return r.sendDraft(ctx, out, draft, r.network.Offset(), nil)
}

// sealing is the offset of the clock when a message was sealed, and whether the message may be sealed again.
type sealing struct {
	offset time.Duration
	again  bool
}

// sendDraft is SendDraft for a message that was sealed with this offset of the clock and has a place, nil if it stands
// alone. It gives the next one its turn before the asynchronous route, and seals again when its own turn for that comes.
func (r *Router) sendDraft(
	ctx context.Context, out account.Outgoing, draft account.Draft, offset time.Duration, place *Place,
) (account.Outgoing, account.Receipt, error) {
	var again turn
	if place != nil {
		again = place.again
	}
	receipt, err := r.send(ctx, out, sealing{offset, out.Fresh}, place)
	if !errors.Is(err, errWrongTime) {
		return out, receipt, err
	}
	if err := again.wait(ctx); err != nil {
		return out, receipt, errors.Join(err, r.release(context.WithoutCancel(ctx), []account.Outgoing{out}))
	}
	if draft.Network, err = r.network.Generation(ctx); err != nil {
		return out, receipt, err
	}
	offset = r.network.Offset()
	var anew account.Outgoing
	if out.Undated { // the place of the message in its session stays, by which the recipient sorts
		anew, err = r.account.Restamp(ctx, out, r.network.Now())
	} else {
		anew, err = r.account.Reseal(ctx, out, draft)
	}
	if err != nil {
		return out, receipt, err
	}
	again.end()
	receipt, err = r.send(ctx, anew, sealing{offset: offset}, place)
	return anew, receipt, err
}

// send is Send. If the message may be sealed again and the clock was wrong, send returns errWrongTime instead of
// storing it. The next message has its turn before the asynchronous route.
func (r *Router) send(ctx context.Context, out account.Outgoing, sealed sealing,
	place *Place) (receipt account.Receipt, err error) {
	ctx, span := trace.Begin(ctx, trace.SpanSend)
	defer func() { noteReceipt(span, out, receipt, err) }()
	return r.sendTraced(ctx, out, sealed, place)
}

// noteReceipt records what became of a message.
func noteReceipt(span *trace.Recording, out account.Outgoing, receipt account.Receipt, err error) {
	if span == nil {
		return
	}
	span.Set(trace.String("kind", string(out.Kind)), trace.String("protocol", string(receipt.Protocol)),
		trace.String("route", string(receipt.Route)), trace.String(trace.KeyReason, string(receipt.Reason)),
		trace.String(trace.KeyHash, receipt.MessageHash), trace.Int("stored", receipt.Stored),
		trace.Bool("resumed", receipt.Resumed), trace.Int("difficulty", receipt.Difficulty))
	for _, node := range receipt.Nodes {
		if node.OK {
			span.Event(trace.EventStored, trace.String(trace.KeyNode, node.PubkeyEd25519),
				trace.Int("answered_ms", node.Millis))
		}
	}
	span.End(err)
}

// sendTraced is send within its span.
func (r *Router) sendTraced(ctx context.Context, out account.Outgoing, sealed sealing,
	place *Place) (account.Receipt, error) {
	if out.Receipt != nil {
		receipt := *out.Receipt
		receipt.Resumed, receipt.Ref = true, out.Ref
		return receipt, nil
	}
	if !sealed.again {
		var err error
		if out, err = r.restamp(ctx, out); err != nil {
			return account.Receipt{}, errors.Join(err, r.release(ctx, []account.Outgoing{out}))
		}
	}
	if out.Behind {
		if err := r.sendEarlier(ctx, out); err != nil {
			return account.Receipt{}, errors.Join(err, r.release(ctx, []account.Outgoing{out}))
		}
	}
	if slices.Contains(out.Warnings, outbox.WarnUnanswered) {
		r.beginProbe(ctx) // the answer may be there
	}
	receipt, err := r.transmit(ctx, out, sealed, place)
	if err == nil {
		r.warnOfClock(ctx, sealed.offset)
	}
	offset := r.network.Offset()
	receipt.ClockOffsetMS, receipt.Warnings = offset.Milliseconds(), slices.Clone(out.Warnings)
	if offset.Abs() > tolerated {
		receipt.Warnings = append(receipt.Warnings, outbox.WarnClock)
	}
	switch list := r.network.List(); {
	case list.Source == network.ListImport:
		receipt.Warnings = append(receipt.Warnings, outbox.WarnImported)
	case list.Old:
		receipt.Warnings = append(receipt.Warnings, outbox.WarnOldList)
	}
	receipt.TimestampMS, receipt.Ref, receipt.Resumed = out.TimestampMS, out.Ref, out.Resumed
	receipt.Protocol, receipt.ForwardSecrecy = out.Protocol, out.ForwardSecrecy
	// The result is written even if ctx has just ended.
	ctx = context.WithoutCancel(ctx)
	switch {
	case err == nil:
		return receipt, ignoreGone(r.account.SaveReceipt(ctx, out.Seq, receipt))
	case errors.Is(err, ErrRefused) && out.Claimed:
		event, dropErr := r.account.Drop(ctx, out, err)
		return receipt, errors.Join(&Dropped{event, err}, dropErr)
	case errors.Is(err, ErrRefused):
		return receipt, errors.Join(err, r.account.Discard(ctx, out))
	case errors.Is(err, errWrongTime):
		return receipt, err
	default:
		return receipt, errors.Join(err, ignoreGone(r.account.Release(ctx, out.Seq)))
	}
}

// restamp gives a message that has waited the network's time: see [outbox.Entry.Late].
func (r *Router) restamp(ctx context.Context, out account.Outgoing) (account.Outgoing, error) {
	if !out.Late(r.network.Now()) {
		return out, nil
	}
	if err := r.network.SureClock(ctx); err != nil {
		return out, err
	}
	now := r.network.Now()
	if !out.Late(now) {
		return out, nil
	}
	anew, err := r.account.Restamp(ctx, out, now)
	if errors.Is(err, account.ErrGone) {
		return out, nil
	}
	return anew, err
}

// Dropped is an [ErrRefused] for a message of an earlier command, which was given up. Event reports it in the inbox; its
// ID is empty if no user waits for the message.
type Dropped struct {
	Event inbox.Event
	err   error
}

// Error implements error.
func (d *Dropped) Error() string { return d.err.Error() }

// Unwrap returns the reason.
func (d *Dropped) Unwrap() error { return d.err }

// transmit sends a message over the synchronous route or, if it is not delivered there, over the asynchronous one.
func (r *Router) transmit(ctx context.Context, out account.Outgoing, sealed sealing,
	place *Place) (account.Receipt, error) {
	var reason account.Reason
	switch {
	case r.options.OnlyAsync:
	case len(out.Ack) == 0 && out.Kind == account.KindText:
		reason = outbox.ReasonProtocol
	case len(out.Ack) > 0:
		receipt, why, err := r.deliver(ctx, out, place)
		if err != nil || why == "" {
			return receipt, err
		}
		reason = why
	}
	if out.OnlySync {
		return account.Receipt{}, fmt.Errorf("%w: %s", ErrNotDelivered, reason)
	}
	if sealed.again && handedToNobody[reason] {
		change, err := r.clockBeforeStore(ctx, out.To, sealed.offset)
		if err == nil && change != 0 {
			err = errWrongTime
		}
		if err != nil {
			return account.Receipt{}, err
		}
	}
	if place != nil {
		place.passOn()
	}
	probing := r.probing()
	receipt, err := r.Store(ctx, StoreRequest{
		To: out.To, TTLMillis: out.TTLMillis, StampMS: out.StampMS, Data: out.Data,
		Nonce: out.Nonce, Difficulty: out.Difficulty, reseal: sealed.again,
		Solved: func(solved StoreRequest) error {
			out.StampMS, out.Nonce, out.Difficulty = solved.StampMS, solved.Nonce, solved.Difficulty
			return r.account.SaveSolution(ctx, out)
		},
	})
	receipt.Reason = reason
	if err == nil && probing != nil && (reason == outbox.ReasonOffline || reason == outbox.ReasonStale) {
		return r.deliverStored(ctx, out, receipt, probing)
	}
	return receipt, err
}

// ignoreGone ignores an entry that another process has finished in the meantime.
func ignoreGone(err error) error {
	if errors.Is(err, account.ErrGone) {
		return nil
	}
	return err
}
