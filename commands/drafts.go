package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
	"sessiontool/lib/sessionid"
)

// draftFlags are a draft on the command line. They are one draft if to is set, else drafts come from stdin.
type draftFlags struct {
	to   string
	text string
	ref  string
	ttl  time.Duration
	dash bool // the argument - was given, which means stdin

	protocol string
}

func (d *draftFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&d.to, "to", "", "Session ID of the recipient; without it drafts are read from stdin")
	flags.StringVar(&d.text, "text", "", "what to say")
	flags.StringVar(&d.ref, "ref", "", "a word of yours that the receipt repeats")
	flags.DurationVar(&d.ttl, "ttl", 0, "how long the network keeps the message, from 10s (default, and most: 96h, or 336h on today's network)")
	flags.StringVar(&d.protocol, "protocol", protocolAuto, "auto, 2020 or today: see 'sessiontool help protocols'")
}

// each hands the draft of the flags to do or, if there is none, every draft of stdin.
func (d *draftFlags) each(app *cli.App, do func(account.Draft) error) error {
	if d.protocol != protocolAuto && !account.Protocol(d.protocol).Known() {
		return cli.UsageError(fmt.Errorf("--protocol %q is not auto, 2020 or today", d.protocol))
	}
	if d.to == "" && d.text == "" {
		return cli.Filter(app, func(in record.Draft) error {
			if in.Protocol == "" {
				in.Protocol = d.protocol
			}
			draft, err := parseDraft(in)
			if err != nil {
				return err
			}
			return do(draft)
		})
	}
	if d.to == "" {
		return cli.UsageError(errors.New("--text needs --to"))
	}
	if d.dash {
		return cli.UsageError(errors.New("drafts come from the flags or from stdin, not from both"))
	}
	draft, err := parseDraft(record.Draft{
		To: d.to, Text: d.text, TTLMillis: d.ttl.Milliseconds(), Ref: d.ref, Protocol: d.protocol,
	})
	if err != nil {
		return err
	}
	return do(draft)
}

// protocolAuto leaves the protocol to what is known of the recipient and of the network.
const protocolAuto = "auto"

func parseDraft(in record.Draft) (account.Draft, error) {
	to, err := sessionid.Parse(in.To)
	if err != nil {
		return account.Draft{}, err
	}
	if in.TimestampMS < 0 {
		return account.Draft{}, fmt.Errorf("%w: timestamp_ms is negative", cli.ErrBadInput)
	}
	draft := account.Draft{To: to, Text: in.Text, TTLMillis: in.TTLMillis, TimestampMS: in.TimestampMS, Ref: in.Ref}
	if in.Protocol != "" && in.Protocol != protocolAuto {
		if draft.Protocol = account.Protocol(in.Protocol); !draft.Protocol.Known() {
			return account.Draft{}, fmt.Errorf("%w: protocol %.20q is not auto, 2020 or today", cli.ErrBadInput, in.Protocol)
		}
	}
	return draft, nil
}

// sealFunc makes a message of a draft.
type sealFunc func(ctx context.Context, a *account.Account, draft account.Draft) (account.Outgoing, error)

// sealDraft makes a message of a draft for the network in use. If nobody tells which that is, what an account knows of the
// recipient has to do.
func sealDraft(ctx context.Context, app *cli.App, a *account.Account, draft account.Draft, seal sealFunc) (account.Outgoing, error) {
	client, unknown := app.OpenNetwork()
	if unknown == nil {
		draft.Network, unknown = client.Generation(ctx)
	}
	if unknown == nil {
		// What is sealed carries the time, so a clock that seems wrong is looked at before.
		if err := client.SureClock(ctx); err != nil {
			return account.Outgoing{}, err
		}
	}
	out, err := seal(ctx, a, draft)
	if unknown != nil && errors.Is(err, account.ErrUnknownContact) {
		return out, unknown
	}
	return out, err
}

// sendDrafts seals each draft into the outbox, sends it and prints its receipt.
func sendDrafts(ctx context.Context, app *cli.App, drafts *draftFlags, options route.Options, seal sealFunc) error {
	var a *account.Account
	var router *route.Router
	err := drafts.each(app, func(draft account.Draft) error {
		// Opened at the first draft, so that bad input is reported before anything is touched.
		if a == nil {
			var err error
			if a, router, err = app.OpenRouter(ctx, options); err != nil {
				return err
			}
		}
		out, err := sealDraft(ctx, app, a, draft, seal)
		if err != nil {
			return err
		}
		out, receipt, err := router.SendDraft(ctx, out, draft)
		return finish(ctx, app, a, out, receipt, err)
	})
	if err != nil || router == nil || app.Failed() {
		return err
	}
	// The network is there: what earlier commands could not send goes out too. Not before the drafts, since one of them
	// may be the rerun that asks for the receipt of such a message.
	_, err = router.Flush(ctx)
	return err
}

// sendOutgoing sends a message of the outbox and prints its receipt; only then the message leaves the outbox.
func sendOutgoing(ctx context.Context, app *cli.App, a *account.Account, router *route.Router, out account.Outgoing) error {
	receipt, err := router.Send(ctx, out)
	return finish(ctx, app, a, out, receipt, err)
}

// finish prints the receipt of a message, which then may leave the outbox, unless it could not be sent.
func finish(ctx context.Context, app *cli.App, a *account.Account, out account.Outgoing, receipt record.Receipt, err error) error {
	if err != nil {
		return err
	}
	if err := app.Print(receipt); err != nil {
		return err
	}
	return a.Finish(context.WithoutCancel(ctx), out.Seq)
}
