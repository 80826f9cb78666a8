package receivecmd

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
)

// listenOptions are the flags of listen.
type listenOptions struct {
	route.ListenOptions
	types cli.Types
}

// NewListen makes the command listen.
func NewListen(app *cli.App) *cobra.Command {
	opts := &listenOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "listen",
		Short: "Print what is new as it comes, until stopped",
		Long: "Print what arrives as poll does, as it comes. Friends learn that the account is online, and their\n" +
			"messages come over the synchronous route: delivered directly, acknowledged, stored nowhere. What\n" +
			"others have stored is fetched at the start and every --poll-interval. What waits in the outbox is\n" +
			"sent.\n\n" +
			"It outlives trouble with the network, but does not start with a clock that is refused. Without any\n" +
			"answer for half a minute it prints an outage record, again after an hour, two, four and so on, and one\n" +
			"when the network is back. It ends in order after SIGINT, SIGTERM or SIGHUP, and when the reader of its\n" +
			"pipe is gone: it notifies friends that the account is offline, for which it takes up to five seconds.\n" +
			"A second signal ends it at once. If it is killed, friends find out when they send, and the next poll\n" +
			"or listen prints what was not printed, and at most 64 records again, whose attempt is 2 or more.\n\n" +
			"With --max-attempts 3, a record that was printed three times before the command or its reader died is\n" +
			"set aside: a set_aside record takes its place, once, and 'inbox --undelivered' prints it.\n\n" +
			"After an unopenable or requests_dropped record the next one comes a minute later at the earliest,\n" +
			"and up to an hour if there is more to count each time. They do not count for --count and --max-idle.\n\n" +
			"With --only and --skip, records of other types count as printed: they are not printed later, 'inbox'\n" +
			"has them, and they count neither for --count nor for --max-idle. Records that say that something is\n" +
			"missing go to stderr then.\n\n" +
			"--count, --for and --max-idle end it well, --timeout with an error. The listening_node of a\n" +
			"heartbeat is empty while no node to listen at answers.",
		Examples: []string{
			"sessiontool listen",
			"sessiontool listen --for 1h --select text",
			"sessiontool listen --only message --count 1 --select text",
			"sessiontool listen --count 100 --max-idle 10m --heartbeat 1m",
		},
		Prints: render.Arrivals(record.TypeHeartbeat, record.TypeOutage, record.TypeSetAside, record.TypeTruncated,
			record.TypeUnopenable, record.TypeDropped),
		Needs: cli.Account,
		Exits: cli.Exits{
			record.ExitPartial:    "some messages cannot be opened, or were not read or kept",
			record.ExitNotFound:   "no such keystore, account or network",
			record.ExitClock:      "",
			record.ExitHangup:     "",
			record.ExitInterrupt:  "",
			record.ExitTerminated: "",
		},
		Delivers: true,
	})
	cmd.RunE = app.RunUntilStopped(func(ctx context.Context, _ []string) error {
		if err := opts.types.Use(app, cmd); err != nil {
			return err
		}
		return runListen(ctx, app, opts)
	})
	flags := cmd.Flags()
	flags.IntVar(&opts.Count, "count", 0, "end after so many records (default never)")
	flags.DurationVar(&opts.For, "for", 0, "end after this time (default never)")
	flags.DurationVar(&opts.MaxIdle, "max-idle", 0, "end when nothing has come for so long (default never)")
	flags.DurationVar(&opts.PollInterval, "poll-interval", route.DefaultPollInterval,
		"how often to ask for stored messages")
	flags.DurationVar(&opts.Heartbeat, "heartbeat", 0, "print a heartbeat record this often (default never)")
	addAttemptsFlag(cmd.Flags(), &opts.MaxAttempts)
	opts.types.Add(cmd.Flags())
	return cmd
}

func runListen(ctx context.Context, app *cli.App, opts *listenOptions) error {
	for _, limit := range []time.Duration{time.Duration(opts.Count), time.Duration(opts.MaxAttempts), opts.For, opts.MaxIdle, opts.Heartbeat,
		opts.PollInterval - 1} {
		if limit < 0 {
			return cli.UsageError(errors.New("--count, --max-attempts and times must not be negative, and --poll-interval not zero"))
		}
	}
	a, router, err := app.OpenRouter(ctx, route.Options{})
	if err != nil {
		return err
	}
	opts.Outage = func(outage route.Outage) error {
		return app.Print(record.Outage{
			Type: record.TypeOutage, Account: a.Name(), At: record.Time(app.Now()), Since: record.Time(outage.Since),
			Over: outage.Over,
		})
	}
	opts.Skip = render.Skip(app.Chosen())
	opts.Truncated = render.PrintTruncated(app, a)
	opts.Beat = func(pulse route.Pulse) error { return app.Print(heartbeatRecord(a, pulse)) }
	return router.Listen(ctx, opts.ListenOptions, func(event inbox.Event) error { return render.PrintEvent(app, a, event, false) })
}

func heartbeatRecord(a *account.Account, pulse route.Pulse) record.Heartbeat {
	out := record.Heartbeat{
		Type: record.TypeHeartbeat, Account: a.Name(), At: record.Time(time.Now()), ListeningNode: pulse.Node,
		Received: pulse.Received,
	}
	if !pulse.PolledAt.IsZero() {
		out.PolledAt = record.Time(pulse.PolledAt)
	}
	return out
}
