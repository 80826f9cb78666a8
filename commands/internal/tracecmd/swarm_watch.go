package tracecmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/who"
	"sessiontool/lib/record"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/sessionid"
)

type watchOptions struct {
	id       string // empty for the account's own
	every    time.Duration
	count    int
	duration time.Duration
	warnLag  time.Duration
	noLive   bool
}

// defaultEvery is the interval of looks.
const defaultEvery = 2 * time.Second

// NewSwarmWatch makes 'swarm watch'.
func NewSwarmWatch(app *cli.App) *cobra.Command {
	opts := &watchOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "watch [ID]",
		Short: "Look at the members of a swarm again and again: what they hold, their lag and latency",
		Long: "Look at the members of a swarm as 'swarm check' does, at an interval, and print a record for each look:\n" +
			"what each member holds, which messages of others it lacks and for how long (lag), and the percentiles\n" +
			"of its latency so far. What members hold is known only for the account's own ID, which is the default;\n" +
			"of others, reachability and latency are watched. The precision of a lag is the interval.\n\n" +
			"If stderr is a terminal, a table there shows the last look, and a stdout that is a terminal gets no\n" +
			"records; --no-live prints records instead.\n\n" +
			"It ends after --count looks, after --for, or by a signal. With --warn-lag, exit code 3 (swarm_lag) says\n" +
			"that some member lacked a message, or did not answer, for longer than that: a probe for monitoring.",
		Examples: []string{
			"sessiontool swarm watch --count 2 --every 100ms",
			"sessiontool swarm watch --for 300ms --every 100ms --warn-lag 30s --select lag_ms",
		},
		Prints: []string{record.TypeSwarmWatch},
		Needs:  cli.Account | cli.Network,
		Exits: cli.Exits{
			record.ExitUsage:   "neither a Session ID nor a possible name",
			record.ExitPartial: "a member lagged for longer than --warn-lag",
		},
		Run: app.RunUntilStopped(func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				opts.id = args[0]
			}
			if len(args) > 1 {
				return cli.UsageError(errors.New("one swarm is watched at a time"))
			}
			return runSwarmWatch(ctx, app, opts)
		}),
	})
	cmd.Flags().DurationVar(&opts.every, "every", defaultEvery, "interval of looks")
	cmd.Flags().IntVar(&opts.count, "count", 0, "end after so many looks (default never)")
	cmd.Flags().DurationVar(&opts.duration, "for", 0, "end after this time (default never)")
	cmd.Flags().DurationVar(&opts.warnLag, "warn-lag", 0, "end with exit code 3 if a member lagged for longer (default never)")
	cmd.Flags().BoolVar(&opts.noLive, "no-live", false, "draw no table on a terminal, and print records there, too")
	return cmd
}

func (opts *watchOptions) check() error {
	switch {
	case opts.every < 10*time.Millisecond:
		return cli.UsageError(errors.New("--every is at least 10ms"))
	case opts.count < 0, opts.duration < 0, opts.warnLag < 0:
		return cli.UsageError(errors.New("--count, --for and --warn-lag must not be negative"))
	}
	return nil
}

func runSwarmWatch(ctx context.Context, app *cli.App, opts *watchOptions) error {
	if err := opts.check(); err != nil {
		return err
	}
	client, err := app.OpenNetwork()
	if err != nil {
		return err
	}
	a, err := app.OpenAccount(ctx)
	if err != nil && (opts.id == "" || !who.IsNoAccount(err)) {
		return err
	}
	var id sessionid.ID
	if opts.id != "" {
		id, err = who.New(app, a).ID(ctx, opts.id)
	} else {
		id, err = a.ID(), nil
	}
	if err != nil {
		return err
	}
	w := newWatch(opts.warnLag)
	checker, view := mailbox.NewChecker(a, client), newView(app, opts.noLive)
	var over <-chan time.Time
	if opts.duration > 0 {
		over = time.After(opts.duration)
	}
	tick := time.NewTicker(opts.every)
	defer tick.Stop()
	for round := 1; ; round++ {
		look, err := checker.Look(ctx, id)
		if err != nil {
			return err
		}
		out := w.see(look, app.Now())
		app.Advance()
		view.show(out)
		if !view.instead() {
			if err := app.Print(out); err != nil {
				return err
			}
		}
		if opts.count > 0 && round >= opts.count {
			return w.verdict()
		}
		select {
		case <-tick.C:
		case <-over:
			return w.verdict()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// verdict is the end of a watch: an error if a lag was too long.
func (w *watch) verdict() error {
	if w.warned == "" {
		return nil
	}
	return cli.WithCode(cli.ErrSwarmLag, fmt.Errorf("%w: %s", cli.ErrSwarmLag, w.warned))
}
