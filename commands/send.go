package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
	"sessiontool/lib/rpc"
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

func newSendCommand(app *cli.App) *cobra.Command {
	opts := &sendOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "send [-]",
		Short: "Send texts to friends, and to phones",
		Long: "Send a text to a friend, or every draft of stdin. It equals 'envelope seal | pow solve | swarm store',\n" +
			"with one thing more: the message stands in the outbox until its receipt is printed. If the command is\n" +
			"killed or the network is down, the same command again goes on with the same message, and every other\n" +
			"send, poll or listen sends it too.\n\n" +
			"A friend who listens gets the text at once: over the synchronous route, without proof of work and stored\n" +
			"nowhere. If the friend does not acknowledge it within --ack-timeout, the same message is stored for later, as\n" +
			"for friends who are offline; the receipt's route and reason tell. With --route sync it is not stored but\n" +
			"fails: it may have arrived all the same if only the acknowledgement was lost, and the same command again\n" +
			"within an hour goes on with the same message, which the friend never sees twice.\n\n" +
			"On today's network, and with --protocol today, the recipient need not be a friend, nor ever have heard of this\n" +
			"account: see 'sessiontool help protocols'. There one node is asked, and the receipt tells which members of the\n" +
			"recipient's swarm have signed to have the message.\n\n" +
			"Each draft gets a receipt or an error record, in order.",
		Examples: []string{
			"sessiontool send --to $BOB --text 'disk is full'",
			"echo '{\"to\":\"'$BOB'\",\"text\":\"hello\",\"ref\":\"1\"}' | sessiontool send",
		},
		Args:   cli.OnlyDash,
		Reads:  []string{record.NameDraft},
		Prints: []string{record.TypeReceipt},
		Exits: cli.Exits{
			record.ExitUsage:     "bad draft",
			record.ExitPartial:   "",
			record.ExitNotFound:  "not a friend",
			record.ExitTemporary: "not sent yet",
			record.ExitRefused:   "",
			record.ExitAuth:      "the keystore does not open",
			record.ExitClock:     "",
			record.ExitLocked:    "",
		},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.dash = len(args) > 0
			return runSend(ctx, app, opts)
		}),
	})
	opts.draftFlags.add(cmd.Flags())
	opts.storeFlags.add(cmd.Flags())
	opts.routeFlags.add(cmd.Flags())
	return cmd
}

func (d *draftFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&d.to, "to", "", "Session ID of the recipient; without it drafts are read from stdin")
	flags.StringVar(&d.text, "text", "", "what to say")
	flags.StringVar(&d.ref, "ref", "", "a word of yours that the receipt repeats")
	flags.DurationVar(&d.ttl, "ttl", 0, "how long the network keeps the message, from 10s (default, and most: 96h, or 336h on today's network)")
	flags.StringVar(&d.protocol, "protocol", protocolAuto, "auto, 2020 or today: see 'sessiontool help protocols'")
}

// protocolAuto leaves the protocol to what is known of the recipient and of the network.
const protocolAuto = "auto"

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

// storeFlags adjust how messages are stored.
type storeFlags struct {
	quorum        int
	workers       int
	maxDifficulty int64
}

func (s *storeFlags) add(flags *pflag.FlagSet) {
	flags.IntVar(&s.quorum, "quorum", 1, "how many nodes must take the message, 1 to 3")
	flags.IntVar(&s.workers, "workers", 0, "processors for proof of work (default all)")
	flags.Int64Var(&s.maxDifficulty, "max-difficulty", route.DefaultMaxDifficulty, "refuse more proof of work than this")
}

func (s *storeFlags) options(app *cli.App) (route.Options, error) {
	if s.quorum < 1 || s.quorum > 3 {
		return route.Options{}, cli.UsageError(fmt.Errorf("--quorum %d is not 1, 2 or 3", s.quorum))
	}
	if s.workers < 0 {
		return route.Options{}, cli.UsageError(errors.New("--workers must not be negative"))
	}
	return route.Options{
		Quorum: s.quorum, Workers: s.workers, MaxDifficulty: s.maxDifficulty, Progress: app.Progress("proof of work").Show,
	}, nil
}

// routeFlags choose between the routes.
type routeFlags struct {
	route      string
	ackTimeout time.Duration
}

func (r *routeFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&r.route, "route", "auto", "auto, sync or async")
	flags.DurationVar(&r.ackTimeout, "ack-timeout", rpc.DefaultWait, "how long to wait for a recipient who is online, at most 8s")
}

// options completes the options of a router.
func (r *routeFlags) options(options route.Options) (route.Options, error) {
	if r.route != "auto" && r.route != record.RouteSync && r.route != record.RouteAsync {
		return options, cli.UsageError(fmt.Errorf("--route %q is not auto, sync or async", r.route))
	}
	if r.ackTimeout < time.Millisecond || r.ackTimeout > rpc.MaxWait {
		return options, cli.UsageError(fmt.Errorf("--ack-timeout %v is not within 1ms and %v", r.ackTimeout, rpc.MaxWait))
	}
	options.OnlyAsync, options.AckTimeout = r.route == record.RouteAsync, r.ackTimeout
	return options, nil
}

type sendOptions struct {
	draftFlags
	storeFlags
	routeFlags
}

func runSend(ctx context.Context, app *cli.App, opts *sendOptions) error {
	options, err := opts.storeFlags.options(app)
	if err == nil {
		options, err = opts.routeFlags.options(options)
	}
	if err != nil {
		return err
	}
	send := func(ctx context.Context, a *account.Account, draft account.Draft) (account.Outgoing, error) {
		draft.OnlySync = opts.route == record.RouteSync
		return a.Send(ctx, draft)
	}
	return sendDrafts(ctx, app, &opts.draftFlags, options, send)
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
