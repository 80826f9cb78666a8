package receivecmd

import (
	"context"
	"errors"
	"sync"
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
	types         cli.Types
	exec          execFlags
	metrics       string
	metricsPublic bool
	ackFlags
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
			"With --exec CMD a shell command is run for each record instead, which is a line on its stdin. Nothing\n" +
			"of a message is in its arguments or its environment. Exit code 0 accepts the record. Otherwise it is\n" +
			"run again after 1 s, 2 s, 4 s and so on up to a minute. After --tries runs it is appended to the file\n" +
			"of --dead-letter or, without one, set aside: 'inbox --undelivered' prints it. The records of one\n" +
			"sender are run in their order, one after the other; with --jobs those of other senders beside them.\n" +
			"stdout has a hook record for each run, with the exit code; what the command prints goes to stderr.\n" +
			"By --count, --for or --max-idle listen ends when all that it has received is accepted or given up.\n" +
			"When a signal or --timeout stops it, the command gets SIGTERM, and ten seconds later SIGKILL. A record\n" +
			"that it has not accepted by then (interrupted) comes again in the next listen or poll, and the exit code\n" +
			"is that of the signal or of the timeout. A record comes again after a kill, too.\n\n" +
			"With --ack explicit a record comes again in a later poll or listen until 'ack' has its id.\n" +
			"With --send-read-receipts friends learn that their texts were printed, or accepted; without it\n" +
			"nothing is sent.\n\n" +
			"Under systemd, with Type=notify, it reports that it is ready after its first poll, answers the\n" +
			"watchdog (WatchdogSec=), and reports that it stops. --metrics 127.0.0.1:9100 serves figures.\n\n" +
			"--count, --for and --max-idle end it well, --timeout with an error. The listening_node of a\n" +
			"heartbeat is empty while no node to listen at answers.",
		Examples: []string{
			"sessiontool listen",
			"sessiontool listen --for 1h --select text",
			"sessiontool listen --only message --count 1 --select text",
			"sessiontool listen --count 100 --max-idle 10m --heartbeat 1m",
			"sessiontool listen --max-idle 2s --only message --exec 'cat >> messages' --dead-letter failed",
		},
		Prints: render.Arrivals(record.TypeHook, record.TypeHeartbeat, record.TypeOutage, record.TypeSetAside, record.TypeTruncated,
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
		if err := opts.exec.check(cmd.Flags().Changed); err != nil {
			return err
		}
		if err := opts.ackFlags.check(); err != nil {
			return err
		}
		if opts.explicit() && opts.exec.command != "" {
			return cli.UsageError(errors.New("with --exec the command's exit code acknowledges; leave out --ack explicit"))
		}
		return runListen(ctx, app, opts)
	})
	flags := cmd.Flags()
	flags.IntVar(&opts.Count, "count", 0, "end after so many records; 0, the default, is never")
	flags.DurationVar(&opts.For, "for", 0, "end after this time; 0, the default, is never")
	flags.DurationVar(&opts.MaxIdle, "max-idle", 0, "end when nothing has come for so long; 0, the default, is never")
	flags.DurationVar(&opts.PollInterval, "poll-interval", route.DefaultPollInterval,
		"how often to ask for stored messages")
	flags.DurationVar(&opts.Heartbeat, "heartbeat", 0, "print a heartbeat record this often (default never)")
	addAttemptsFlag(cmd.Flags(), &opts.MaxAttempts)
	opts.types.Add(cmd.Flags())
	opts.ackFlags.add(cmd.Flags())
	opts.exec.add(cmd.Flags())
	flags.StringVar(&opts.metrics, "metrics", "",
		"serve figures of this process in the text format of Prometheus at HOST:PORT, which has to be of this machine alone")
	flags.BoolVar(&opts.metricsPublic, "metrics-public", false, "let --metrics be an address that other machines reach")
	return cmd
}

func runListen(ctx context.Context, app *cli.App, opts *listenOptions) error {
	for _, limit := range []time.Duration{time.Duration(opts.Count), time.Duration(opts.MaxAttempts), opts.For, opts.MaxIdle, opts.Heartbeat,
		opts.PollInterval - 1} {
		if limit < 0 {
			return cli.UsageError(errors.New("--count, --max-attempts and times must not be negative, and --poll-interval not zero"))
		}
	}
	if err := checkMetrics(opts.metrics, opts.metricsPublic); err != nil {
		return err
	}
	a, router, err := app.OpenRouter(ctx, route.Options{})
	if err != nil {
		return err
	}
	f := newFigures()
	closeMetrics, err := serveMetrics(opts.metrics, f, app.Log)
	if err != nil {
		return err
	}
	defer closeMetrics()
	manager, err := openService(app, f)
	if err != nil {
		return err
	}
	defer manager.notifier.Close()
	opts.Outage = func(outage route.Outage) error {
		f.setOutage(!outage.Over)
		manager.outage(outage.Since, outage.Over)
		return app.Print(record.Outage{
			Type: record.TypeOutage, Account: a.Name(), At: record.Time(app.Now()), Since: record.Time(outage.Since),
			Over: outage.Over,
		})
	}
	opts.Polled = func(err error) {
		f.polled(err)
		manager.up()
	}
	opts.Skip = render.Skip(app.Chosen())
	opts.Truncated = render.PrintTruncated(app, a)
	opts.Beat = func(pulse route.Pulse) error { return app.Print(heartbeatRecord(a, pulse)) }
	if opts.readReceipts {
		opts.Delivered = a.SendRead
	}
	deliver, finish := opts.deliverer(ctx, app, a, f, manager)
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { manager.watch(watching) })
	err = router.Listen(ctx, opts.ListenOptions, func(event inbox.Event) error {
		f.records.Add(string(event.Kind), 0)
		return deliver(event)
	})
	err = errors.Join(err, finish())
	if opts.readReceipts {
		sendLast(ctx, app, router)
	}
	stop()
	watch.Wait()
	return err
}

// lastReceipts is how long the end of a listen may take to send read receipts.
const lastReceipts = 5 * time.Second

// sendLast sends the read receipts for the last records. What cannot be sent waits in the outbox.
func sendLast(ctx context.Context, app *cli.App, router *route.Router) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastReceipts)
	defer cancel()
	if _, err := router.Flush(ctx); err != nil {
		app.Log.Info("read receipts wait in the outbox", "error", err)
	}
}

// deliverer returns what passes events on: to stdout or, with --exec, to a command. Finish waits for commands.
func (opts *listenOptions) deliverer(ctx context.Context, app *cli.App, a *account.Account, f *figures,
	manager *service) (deliver route.Deliver, finish func() error) {
	if opts.exec.command == "" {
		return printer(app, a, opts.explicit()), func() error { return nil }
	}
	e := newExecutor(ctx, app, a, opts.exec, f)
	e.after = opts.Delivered
	manager.busy = func() bool {
		_, full := e.runner.Queued()
		return full
	}
	return func(event inbox.Event) error { return e.deliver(ctx, event) }, e.runner.Finish
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
