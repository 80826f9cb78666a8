// Package drafts reads drafts from the command line or from stdin, and seals and sends them. The commands send,
// friend-request and envelope seal share it.
package drafts

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/account"
	"sessiontool/lib/pow"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
	"sessiontool/lib/sessionid"
)

// Flags are a draft on the command line. They are one draft if --to is given, else drafts come from stdin.
type Flags struct {
	to   string
	text string
	ref  string
	ttl  time.Duration
	Dash bool // the argument - was given, which means stdin

	protocol string
	noPFS    bool
}

// Add defines the flags.
func (d *Flags) Add(flags *pflag.FlagSet) {
	flags.StringVar(&d.to, "to", "", "Session ID of the recipient; without it drafts are read from stdin")
	flags.StringVar(&d.text, "text", "", "what to say")
	flags.StringVar(&d.ref, "ref", "", "a word of yours that the receipt repeats")
	flags.DurationVar(&d.ttl, "ttl", 0,
		"how long the network keeps the message, from 10s (default, and most: 96h, or 336h with storage RPC 2.8)")
	flags.StringVar(&d.protocol, "protocol", ProtocolAuto,
		"auto, signal, session-v1 or session-v2: see 'sessiontool help protocols'")
	flags.BoolVar(&d.noPFS, "no-pfs", false,
		"with --protocol session-v2: encrypt for the Session ID, without forward secrecy")
}

// Each calls do with the draft of the flags or, if there is none, with every draft of stdin.
func (d *Flags) Each(app *cli.App, do func(account.Draft) error) error {
	draft, given, err := d.given()
	switch {
	case err != nil:
		return err
	case given:
		return do(draft)
	}
	return cli.Filter(app, func(in record.Draft) error {
		draft, err := d.parse(in)
		if err != nil {
			return err
		}
		return do(draft)
	})
}

// eachAhead is Each for work of which up to ahead is done at one time: see cli.FilterAhead.
func (d *Flags) eachAhead(ctx context.Context, app *cli.App, ahead int,
	prepare func(account.Draft) (cli.Task, error)) error {
	draft, given, err := d.given()
	switch {
	case err != nil:
		return err
	case given:
		return cli.Do(ctx, app, func() (cli.Task, error) { return prepare(draft) })
	}
	return cli.FilterAhead(ctx, app, ahead, func(in record.Draft) (cli.Task, error) {
		draft, err := d.parse(in)
		if err != nil {
			return nil, err
		}
		return prepare(draft)
	})
}

// parse reads a draft of stdin.
func (d *Flags) parse(in record.Draft) (account.Draft, error) {
	if in.Protocol == "" {
		in.Protocol, in.NoPFS = d.protocol, in.NoPFS || d.noPFS
	}
	return parseDraft(in)
}

// given returns the draft of the flags; given is false if drafts come from stdin.
func (d *Flags) given() (draft account.Draft, given bool, err error) {
	if d.protocol != ProtocolAuto && !account.Protocol(d.protocol).Known() {
		return draft, false,
			cli.UsageError(fmt.Errorf("--protocol %q is not auto, signal, session-v1 or session-v2", d.protocol))
	}
	if d.noPFS && account.Protocol(d.protocol) != account.ProtocolSessionV2 {
		return draft, false, cli.UsageError(errors.New("--no-pfs needs --protocol session-v2"))
	}
	if d.to == "" && d.text == "" {
		return draft, false, nil
	}
	if d.to == "" {
		return draft, false, cli.UsageError(errors.New("--text needs --to"))
	}
	if d.Dash {
		return draft, false, cli.UsageError(errors.New("drafts come from the flags or from stdin, not from both"))
	}
	draft, err = parseDraft(record.Draft{
		To: d.to, Text: d.text, TTLMillis: d.ttl.Milliseconds(), Ref: d.ref, Protocol: d.protocol,
		NoPFS: d.noPFS,
	})
	return draft, true, err
}

// ProtocolAuto leaves the protocol to what is known of the recipient and of the network.
const ProtocolAuto = "auto"

func parseDraft(in record.Draft) (account.Draft, error) {
	to, err := sessionid.Parse(in.To)
	if err != nil {
		return account.Draft{}, err
	}
	if in.TimestampMS < 0 {
		return account.Draft{}, fmt.Errorf("%w: timestamp_ms is negative", cli.ErrBadInput)
	}
	draft := account.Draft{To: to, Text: in.Text, TTLMillis: in.TTLMillis, TimestampMS: in.TimestampMS, Ref: in.Ref}
	if in.Protocol != "" && in.Protocol != ProtocolAuto {
		if draft.Protocol = account.Protocol(in.Protocol); !draft.Protocol.Known() {
			return account.Draft{}, fmt.Errorf("%w: protocol %.20q is not auto, signal, session-v1 or session-v2",
				cli.ErrBadInput, in.Protocol)
		}
	}
	if draft.WithoutPFS = in.NoPFS; in.NoPFS && draft.Protocol != account.ProtocolSessionV2 {
		return account.Draft{}, fmt.Errorf("%w: no_pfs needs the protocol session-v2", cli.ErrBadInput)
	}
	return draft, nil
}

// SealFunc makes a message of a draft.
type SealFunc func(ctx context.Context, a *account.Account, draft account.Draft) (account.Outgoing, error)

// Seal makes a message of a draft for the network in use, after it fetched the recipient's key if that is needed. If no
// network is known, the account uses the protocol and the key that it knows of the recipient.
func Seal(ctx context.Context, app *cli.App, a *account.Account, draft account.Draft,
	seal SealFunc) (account.Outgoing, error) {
	draft, unknown, err := prepare(ctx, app, draft)
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
	return sealPrepared(ctx, a, draft, unknown, seal)
}

// prepare completes a draft with what is known of the network. unknown is why nothing is known of it.
func prepare(ctx context.Context, app *cli.App, draft account.Draft) (out account.Draft, unknown, err error) {
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

func sealPrepared(ctx context.Context, a *account.Account, draft account.Draft, unknown error,
	seal SealFunc) (account.Outgoing, error) {
	out, err := seal(ctx, a, draft)
	if unknown != nil && errors.Is(err, account.ErrUnknownContact) {
		return out, unknown
	}
	return out, err
}

// sendAtOnce is how many drafts are under way at one time. A member of a swarm that is not complete answers a store
// after some seconds, so there have to be many.
const sendAtOnce = 128

// Send seals each draft into the outbox, sends it and prints its receipt. Several drafts are under way at one
// time; receipts come in the order of the drafts.
func Send(ctx context.Context, app *cli.App, drafts *Flags, options route.Options, seal SealFunc) error {
	options.Cores = pow.NewCores(runtime.GOMAXPROCS(0))
	if options.Workers > 0 {
		options.Cores = pow.NewCores(options.Workers)
	}
	var a *account.Account
	var router *route.Router
	var first firstDraft
	var sealer *batchSealer
	err := drafts.eachAhead(ctx, app, sendAtOnce, func(draft account.Draft) (cli.Task, error) {
		// Opened at the first draft, so that bad input is reported before anything is touched.
		if a == nil {
			var err error
			if a, router, err = app.OpenRouter(ctx, options); err != nil {
				return nil, err
			}
			client, err := app.OpenNetwork()
			if err != nil {
				return nil, err
			}
			sealer = &batchSealer{
				account: a, keys: route.NewPeerKeys(a, client, app.Log), seal: seal,
				last: make(map[sessionid.ID]chan struct{}),
			}
		}
		over := first.pass(ctx)
		draft, unknown, err := prepare(ctx, app, draft)
		if err != nil {
			over()
			return nil, err
		}
		sealed, err := sealer.begin(ctx, draft, unknown)
		if err != nil {
			over()
			return nil, err
		}
		// A message that is sealed already takes its place among the others to its recipient.
		sending := sealed.queue(router)
		return func(ctx context.Context) (any, error) {
			defer over()
			if sending == nil {
				if err := sealed.finish(ctx); err != nil {
					return nil, err
				}
				sending = sealed.queue(router)
				sealed.passOn()
			}
			out, receipt, err := sending.Run(ctx)
			finish := func() error { return a.Finish(context.WithoutCancel(ctx), out.Seq) }
			return cli.Printed{Record: render.Receipt(receipt), Then: finish}, err
		}, nil
	})
	if sealer != nil {
		sealer.keys.Wait()
	}
	if err != nil || router == nil || app.Failed() {
		return err
	}
	if _, err := router.KeepKeys(ctx); err != nil {
		app.Log.Info("cannot keep the account's keys", "error", err)
	}
	// The network is there: what earlier commands could not send goes out too. Not before the drafts, since one of them
	// may be the rerun that asks for the receipt of such a message.
	_, err = router.Flush(ctx)
	return err
}

// firstWait is what the first draft of a batch gets before the second one is sealed.
const firstWait = time.Second

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
	return finish(ctx, app, a, out, receipt, err)
}

// finish prints the receipt of a message, which then may leave the outbox, unless it could not be sent.
func finish(ctx context.Context, app *cli.App, a *account.Account, out account.Outgoing, receipt account.Receipt,
	err error) error {
	if err != nil {
		return err
	}
	if err := app.Print(render.Receipt(receipt)); err != nil {
		return err
	}
	return a.Finish(context.WithoutCancel(ctx), out.Seq)
}
