// Package drafts reads drafts from the command line or from stdin, and seals and sends them. The commands send,
// friend-request and envelope seal share it.
package drafts

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/inflight"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/account"
	"sessiontool/lib/pow"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/trace"
)

// SealFunc begins to make a message of a draft.
type SealFunc func(a *account.Account, draft account.Draft) *account.Sealing

// Seal makes a message of a draft for the network in use, after it fetched the recipient's key if that is needed. It
// does not put the message into the outbox. If no network is known, the account uses the protocol and the key that it
// knows of the recipient.
func Seal(ctx context.Context, app *cli.App, a *account.Account, draft account.Draft) (account.Outgoing, error) {
	draft, unknown, err := complete(ctx, app, draft)
	if err != nil {
		return account.Outgoing{}, err
	}
	if unknown == nil {
		client, err := app.OpenNetwork()
		if err != nil {
			return account.Outgoing{}, err
		}
		keys := route.NewPeerKeys(a, client, app.Log)
		defer keys.Wait()
		wanted, err := keys.Wanted(ctx, draft)
		if err != nil {
			return account.Outgoing{}, err
		}
		if wanted {
			keys.Fetch(ctx, draft.To)
		}
	}
	out, err := a.Seal(ctx, draft)
	if unknown != nil && errors.Is(err, account.ErrUnknownContact) {
		return out, unknown
	}
	return out, err
}

// complete completes a draft with what is known of the network. unknown is why nothing is known of it.
func complete(ctx context.Context, app *cli.App, draft account.Draft) (out account.Draft, unknown, err error) {
	client, unknown := app.OpenNetwork()
	if unknown == nil {
		draft.Network, unknown = client.Generation(ctx)
	}
	if unknown == nil {
		// The message contains the time, so a clock that seems wrong is checked first.
		err = client.SureClock(ctx)
	}
	return draft, unknown, err
}

// Cores are the processors that the messages of a batch share for their proofs of work.
func Cores(options route.Options) *pow.Cores {
	if options.Workers > 0 {
		return pow.NewCores(options.Workers)
	}
	return pow.NewCores(runtime.GOMAXPROCS(0))
}

// batchMemory is what a batch tries to do with, in bytes: most of what it uses is garbage of requests.
const batchMemory = 44 << 20

// Send seals each draft into the outbox, sends it and prints its receipt. Several drafts are under way at one
// time; receipts come in the order of the drafts. If it does not come to the end of the drafts, a rerun gets the
// receipts of this run.
func Send(ctx context.Context, app *cli.App, drafts *Flags, options route.Options, seal SealFunc) error {
	options.Cores = Cores(options)
	if err := drafts.wait.check(); err != nil {
		return err
	}
	if app.Streams.UntilSignal != nil { // in a process of its own
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(batchMemory))
	}
	s := &sender{app: app, options: options, seal: seal, wait: &drafts.wait}
	err := drafts.eachAhead(ctx, app, app.Parallel(), s.prepare)
	if s.sealer != nil {
		s.sealer.keys.Wait()
	}
	if failure := errors.Join(s.finishPrinted(ctx), s.finishing.Wait()); err == nil {
		err = failure
	}
	if err != nil || s.router == nil || app.Failed() {
		if err != nil && s.router != nil {
			app.LeaveUnfinished()
		}
		return err
	}
	if _, err := s.router.KeepKeys(ctx); err != nil {
		app.Log.Info("cannot keep the account's keys", "error", err)
	}
	// The network is there: what earlier commands could not send goes out too. Not before the drafts, since one of them
	// may be the rerun that asks for the receipt of such a message.
	_, err = s.router.FlushEach(ctx, func(_ account.Outgoing, _ account.Receipt, err error) error {
		app.Advance()
		_, err = printDropped(ctx, app, s.account, err)
		return err
	})
	if err != nil {
		return err
	}
	return s.wait.wait(ctx, app, s.account, s.router)
}

// printDropped prints the record of a message that was given up, if err reports one, and marks it as delivered.
func printDropped(ctx context.Context, app *cli.App, a *account.Account, err error) (printed bool, failure error) {
	var dropped *route.Dropped
	if !errors.As(err, &dropped) || dropped.Event.ID == "" {
		return false, nil
	}
	if err := render.PrintEvent(app, a, dropped.Event, false); err != nil {
		return false, err
	}
	return true, a.MarkDelivered(context.WithoutCancel(ctx), dropped.Event)
}

// Flush sends what waits in the outbox, and prints a receipt or an error record for each message.
func Flush(ctx context.Context, app *cli.App, a *account.Account, router *route.Router) error {
	_, err := router.FlushEach(ctx, func(out account.Outgoing, receipt account.Receipt, err error) error {
		if err == nil {
			app.Advance()
			return app.Print(render.Receipt(receipt))
		}
		if printed, err := printDropped(ctx, app, a, err); printed || err != nil {
			return err
		}
		return app.Settle(failed(out, err), record.Error{To: out.To.String(), Ref: out.Ref})
	})
	return err
}

// sender sends the drafts of one command.
type sender struct {
	app     *cli.App
	options route.Options
	seal    SealFunc
	wait    *waitFlag
	account *account.Account
	router  *route.Router // nil before the first draft
	sealer  *batchSealer
	first   firstDraft

	printed   []uint64 // messages whose receipts were printed and not recorded yet
	finishing inflight.Later
}

// prepare seals a draft, and returns the task that sends it.
func (s *sender) prepare(ctx context.Context, draft account.Draft) (cli.Task, error) {
	// Opened at the first draft, so that bad input is reported before anything is touched.
	if s.router == nil {
		var err error
		if s.account, s.router, err = s.app.OpenRouter(ctx, s.options); err != nil {
			return nil, err
		}
		client, err := s.app.OpenNetwork()
		if err != nil {
			return nil, err
		}
		s.sealer = &batchSealer{
			account: s.account, router: s.router, keys: route.NewPeerKeys(s.account, client, s.app.Log), seal: s.seal,
			expect: client.ExpectSwarm, last: make(map[sessionid.ID]chan struct{}),
		}
	}
	over := s.first.pass(ctx)
	ctx, span := trace.Begin(ctx, trace.SpanMessage)
	draft, unknown, err := complete(ctx, s.app, draft)
	if err != nil {
		span.End(err)
		over()
		return nil, err
	}
	sealed, err := s.sealer.begin(ctx, draft, unknown)
	if err != nil {
		span.End(err)
		over()
		return nil, err
	}
	return func(ctx context.Context) (any, error) {
		defer over()
		ctx = trace.Join(ctx, span)
		out, err := sealed.finish(ctx)
		if err != nil {
			span.End(err)
			return nil, err
		}
		out, receipt, err := sealed.place.Send(ctx, out, draft)
		span.End(err)
		if err != nil {
			return nil, failed(out, err)
		}
		s.wait.note(receipt)
		finish := func() error { return s.finish(ctx, out.Seq) }
		return cli.Printed{Record: render.Receipt(receipt), Then: finish}, nil
	}, nil
}

// finishedAtOnce is how many printed receipts are recorded in one transaction.
const finishedAtOnce = 32

// finish records that the receipt of a message was printed, with those of others: the result counts only when this
// process has ended. The error is that of earlier ones.
func (s *sender) finish(ctx context.Context, seq uint64) error {
	s.printed = append(s.printed, seq)
	if len(s.printed) < finishedAtOnce {
		return nil
	}
	return s.finishPrinted(ctx)
}

// finishPrinted records that the receipts so far were printed.
func (s *sender) finishPrinted(ctx context.Context) error {
	ctx, seqs := context.WithoutCancel(ctx), s.printed
	s.printed = nil
	if len(seqs) == 0 {
		return nil
	}
	return s.finishing.Do(func() error { return s.account.Finish(ctx, seqs...) })
}

// failed returns the error of a message that was not sent, marked if the message waits in the outbox. One for the
// synchronous route alone waits for a rerun only.
func failed(out account.Outgoing, err error) error {
	if errors.Is(err, route.ErrRefused) || out.OnlySync {
		return err
	}
	return cli.Queued(err)
}

// firstWait is what the first draft of a batch gets before the second one is sealed.
const firstWait = 600 * time.Millisecond

// firstDraft lets the first draft of a batch go ahead: should the network refuse its time, the others are sealed with
// the right one.
type firstDraft struct {
	over chan struct{}
	wait <-chan time.Time
}

// pass waits for the first draft unless this is it. What it returns says that a draft is over.
func (f *firstDraft) pass(ctx context.Context) (over func()) {
	if f.over == nil {
		f.over, f.wait = make(chan struct{}), time.After(firstWait)
		return sync.OnceFunc(func() { close(f.over) })
	}
	if f.wait != nil {
		select {
		case <-f.over:
		case <-f.wait:
		case <-ctx.Done():
		}
		f.wait = nil
	}
	return func() {}
}

// SendOutgoing sends a message of the outbox and prints its receipt; only then the message leaves the outbox.
func SendOutgoing(ctx context.Context, app *cli.App, a *account.Account, router *route.Router,
	out account.Outgoing) error {
	receipt, err := router.Send(ctx, out)
	if err != nil {
		return failed(out, err)
	}
	if err := app.Print(render.Receipt(receipt)); err != nil {
		return err
	}
	return a.Finish(context.WithoutCancel(ctx), out.Seq)
}
