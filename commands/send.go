package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/drafts"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
	"sessiontool/lib/storage/syncroute"
)

func newSendCommand(app *cli.App) *cobra.Command {
	opts := &sendOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "send [-]",
		Short: "Send texts to friends, and to phones",
		Long: "Send a text to a friend, or every draft of stdin. It equals 'envelope seal | pow solve | swarm\n" +
			"store', with one thing more: the message stands in the outbox until its receipt is printed. If the\n" +
			"command is killed or the network is down, the same command again goes on with the same message, and\n" +
			"every other send, poll or listen sends it too.\n\n" +
			"A friend who listens gets the text at once: over the synchronous route, without proof of work and\n" +
			"stored nowhere, except the first one after the friend came online, which also is stored. If the friend\n" +
			"does not acknowledge it within --ack-timeout, the same message is\n" +
			"stored for later, as for friends who are offline; see the receipt's route and reason. With --route\n" +
			"sync it is not stored but fails: it may have arrived all the same if only the acknowledgement was\n" +
			"lost, and the same command again within an hour goes on with the same message, which the friend\n" +
			"never sees twice.\n\n" +
			"With storage RPC 2.8, and with --protocol session-v1, the recipient need not be a friend, nor ever\n" +
			"have heard of this account: see 'sessiontool help protocols'. There one node is asked, and the\n" +
			"receipt shows which members of the recipient's swarm have signed to have the message. If the recipient\n" +
			"publishes a key, the message has forward secrecy (session-v2): see the receipt's forward_secrecy.\n\n" +
			"Session on phones cuts texts of more than 2 000 characters. With --split such a text goes as parts with\n" +
			"numbers in front, '(1/3) ', cut after a line, a word, or at least not within a character; each part\n" +
			"has a receipt, with part and parts. Without it the receipt of a session-v1 or session-v2 message has\n" +
			"the warning long_for_phones. Characters are counted in UTF-16, as the strictest client counts.\n\n" +
			"--sync leaves a copy of each text of session-v1 or session-v2 in the account's own swarm, as phones do:\n" +
			"the account's other devices print it as a message with the direction out. An account that was\n" +
			"restored from its words does so by itself, except for texts with forward secrecy while it publishes no\n" +
			"key of its own, since the copy would not have it; --sync copies these, too, and --sync=false nothing.\n" +
			"The copy waits in the outbox, as the kind copy, if it cannot be stored at once.\n\n" +
			"With --wait read the command ends when the recipient of each message has sent a read receipt, and prints\n" +
			"it as a delivery record, which a later poll prints, too. Phones send read receipts only if their user\n" +
			"has allowed that, and this program with --send-read-receipts. --wait delivered is content with the\n" +
			"acknowledgement of the synchronous route, or with any receipt. The wait takes at most --timeout, from\n" +
			"the last message on; then the code is timeout, and the same command again waits on without sending\n" +
			"anything twice. --timeout 0 waits without end, as it sets no limit for any command.\n\n" +
			"Each draft gets a receipt or an error record for each of its recipients, in order. An error record\n" +
			"with queued is of a message that waits in the outbox.\n\n" +
			"A run that is stopped, by a signal, by --timeout, by a reader that exits or by a full disk, may be run\n" +
			"again as it is within an hour of its last receipt: drafts that have a receipt get it again, with\n" +
			"repeated, and are not sent twice. The same holds after exit code 5. A run that ends with 0 or 3 is\n" +
			"over: the same text in a later run is a new message, as is the same text twice in one batch. A draft\n" +
			"with an id (--id) is sent to a recipient once, and later runs get its receipt, for 15 days after it\n" +
			"was sent and as long as no 100 000 others came after it. With another text it is an error, id_reused.\n" +
			"--timeout bounds the time without progress, not that of the batch.\n\n" +
			"With --dry-run each draft gets a dry_run record instead: what would be sent, to whom, with which\n" +
			"protocol, over which route, and how many hashes a proof of work would take. Nothing is sent or written,\n" +
			"and no node is asked, so what only the network knows is missing: the storage RPC of a network that was\n" +
			"never used, a changed difficulty, or a key that the recipient publishes (fetch_key).",
		Examples: []string{
			"sessiontool send --to $BOB --text 'disk is full'",
			"sessiontool send --to $BOB --text 'which way?' --trace way.svg",
			"df | sessiontool send --to $BOB --id df-monday -",
			"sessiontool send --to $BOB --text 'disk is full' --dry-run --select '{protocol,route}'",
			"seq 1000 | sessiontool send --to $BOB --split - --select '[part,parts]'",
			"echo '{\"to\":\"'$BOB'\",\"text\":\"hello\",\"ref\":\"1\"}' | sessiontool send",
		},
		Reads:  []string{record.NameDraft},
		Prints: []string{record.TypeReceipt, record.TypeDelivery, record.TypeDryRun, record.TypeTrace},
		Needs:  cli.Account | cli.Network,
		Exits: cli.Exits{
			record.ExitUsage:     "bad draft",
			record.ExitNotFound:  "not a friend",
			record.ExitTemporary: "not sent yet",
			record.ExitRefused:   "",
			record.ExitClock:     "",
		},
	})
	cmd.RunE = app.Run(func(ctx context.Context, args []string) error {
		if opts.dryRun && cmd.Flags().Changed("trace") {
			return cli.UsageError(errors.New("--dry-run sends nothing, so there is nothing to trace"))
		}
		opts.Dash = len(args) > 0
		opts.copies = opts.sync.choice(cmd)
		return runSend(ctx, app, opts)
	})
	opts.sync.add(cmd.Flags())
	opts.Flags.Add(cmd.Flags())
	opts.Flags.AddID(cmd.Flags())
	opts.Flags.AddSplit(cmd.Flags())
	opts.Flags.AddWait(cmd.Flags())
	opts.StoreFlags.Add(cmd.Flags())
	opts.routeFlags.add(cmd.Flags())
	app.AddTraceFlag(cmd.Flags())
	cmd.Flags().BoolVar(&opts.dryRun, "dry-run", false,
		"print what would be sent, to whom, how and at what cost; send nothing, ask no node and write nothing")
	return cmd
}

// routeFlags choose between the routes.
type routeFlags struct {
	route      string
	ackTimeout time.Duration
}

func (r *routeFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&r.route, "route", "auto", "auto, sync or async")
	flags.DurationVar(&r.ackTimeout, "ack-timeout", syncroute.DefaultWait,
		"how long to wait for a recipient who is online, at most 8s")
}

// options completes the options of a router.
func (r *routeFlags) options(options route.Options) (route.Options, error) {
	if r.route != "auto" && r.route != record.RouteSync && r.route != record.RouteAsync {
		return options, cli.UsageError(fmt.Errorf("--route %q is not auto, sync or async", r.route))
	}
	if r.ackTimeout < time.Millisecond || r.ackTimeout > syncroute.MaxWait {
		err := fmt.Errorf("--ack-timeout %v is not within 1ms and %v", r.ackTimeout, syncroute.MaxWait)
		return options, cli.UsageError(err)
	}
	options.OnlyAsync, options.AckTimeout = r.route == record.RouteAsync, r.ackTimeout
	return options, nil
}

type sendOptions struct {
	drafts.Flags
	drafts.StoreFlags
	routeFlags
	sync   syncFlag
	copies account.CopyFor
	dryRun bool
}

// syncFlag says whether texts leave a copy for the account's other devices.
type syncFlag bool

func (s *syncFlag) add(flags *pflag.FlagSet) {
	flags.BoolVar((*bool)(s), "sync", false, "leave a copy for the account's other devices, which show it as sent "+
		"(default for an account that was restored from its words)")
}

// choice returns what the flag of a command says, if it was given.
func (s *syncFlag) choice(cmd *cobra.Command) account.CopyFor {
	switch {
	case !cmd.Flags().Changed("sync"):
		return account.CopyUsual
	case bool(*s):
		return account.CopyAlways
	}
	return account.CopyNever
}

func runSend(ctx context.Context, app *cli.App, opts *sendOptions) error {
	options, err := opts.StoreFlags.Options(app)
	if err == nil {
		options, err = opts.routeFlags.options(options)
	}
	if err != nil {
		return err
	}
	if opts.dryRun {
		return drafts.DryRun(ctx, app, &opts.Flags, options)
	}
	send := func(a *account.Account, draft account.Draft) *account.Sealing {
		draft.OnlySync, draft.Copy = opts.route == record.RouteSync, opts.copies
		return a.BeginSend(draft)
	}
	return drafts.Send(ctx, app, &opts.Flags, options, send)
}
