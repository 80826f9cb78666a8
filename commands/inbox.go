package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/commands/internal/who"
	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/message"
	"sessiontool/lib/record"
	"sessiontool/lib/sessionid"
)

type inboxOptions struct {
	limit       int
	since       string
	from        string
	route       string
	follow      bool
	undelivered bool
}

func newInboxCommand(app *cli.App) *cobra.Command {
	opts := &inboxOptions{}
	run := func(ctx context.Context, _ []string) error { return runInbox(ctx, app, opts) }
	once, always := app.Run(run), app.RunUntilStopped(run)
	cmd := app.Command(cli.Spec{
		Use:   "inbox",
		Short: "Print what was received before, without asking the network",
		Long: "Print everything that polls have received, oldest first. Nothing is fetched and nothing changes. With\n" +
			"--follow it also prints what other processes receive from then on, until it is stopped.\n\n" +
			"--undelivered prints what no poll or listen has delivered: what waits for the next one, and what was\n" +
			"set aside with --max-attempts.\n\n" +
			"A message that its sender has deleted for all, as session-v1 clients can, has no text and is marked\n" +
			"unsent.",
		Examples: []string{
			"sessiontool inbox --limit 10",
			"sessiontool inbox --since 24h --select text",
			"sessiontool inbox --undelivered",
		},
		Prints: render.Arrivals(),
		Needs:  cli.Account,
		Exits: cli.Exits{
			record.ExitPartial: "some messages could not be opened", record.ExitHangup: "",
			record.ExitInterrupt: "", record.ExitTerminated: "",
		},
		Run: func(cmd *cobra.Command, args []string) error {
			if opts.follow {
				return always(cmd, args)
			}
			return once(cmd, args)
		},
	})
	flags := cmd.Flags()
	flags.IntVar(&opts.limit, "limit", 0, "print only the newest of them (default all)")
	flags.StringVar(&opts.since, "since", "", "print only what came after this time, or in this time: 24h")
	flags.StringVar(&opts.from, "from", "", "print only what this contact has sent: a Session ID or a name of yours")
	flags.StringVar(&opts.route, "route", "", "print only what came over this route: sync or async")
	flags.BoolVar(&opts.follow, "follow", false, "also print what is received from then on")
	flags.BoolVar(&opts.undelivered, "undelivered", false, "print only what was not delivered")
	cmd.AddCommand(newInboxPruneCommand(app))
	return cmd
}

// inboxFilter decides which events are printed.
type inboxFilter struct {
	since       time.Time
	from        sessionid.ID
	route       message.Route
	undelivered map[uint64]bool // nil means that it does not matter
}

// filter reads the flags.
func (o inboxOptions) filter(now time.Time) (f inboxFilter, err error) {
	if o.limit < 0 {
		return f, fmt.Errorf("--limit %d is negative", o.limit)
	}
	if o.since != "" {
		ago, err := time.ParseDuration(o.since)
		if f.since = now.Add(-ago); err != nil {
			f.since, err = time.Parse(time.RFC3339, o.since)
		}
		if err != nil || ago < 0 {
			return f, fmt.Errorf("--since %q is neither a time such as 24h nor one such as 2026-11-30T18:00:00Z", o.since)
		}
	}
	switch f.route = message.Route(o.route); f.route {
	case "", message.RouteSync, message.RouteAsync:
	default:
		return f, fmt.Errorf("--route %q is neither sync nor async", o.route)
	}
	return f, nil
}

// shows reports whether an event is to be printed.
func (f inboxFilter) shows(event inbox.Event) bool {
	_, undelivered := f.undelivered[event.Seq]
	return !event.ReceivedAt.Before(f.since) && (f.from.IsZero() || event.From == f.from) &&
		(f.route == "" || event.Route == f.route) && (f.undelivered == nil || undelivered)
}

const (
	// inboxAtOnce is how many events are read from the keystore at a time.
	inboxAtOnce = 256
	// followEvery is how often the keystore is read for new events.
	followEvery = time.Second
)

func runInbox(ctx context.Context, app *cli.App, opts *inboxOptions) error {
	filter, err := opts.filter(app.Now())
	if err != nil {
		return cli.UsageError(err)
	}
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	if opts.from != "" {
		if filter.from, err = who.New(app, a).ID(ctx, opts.from); err != nil {
			return err
		}
	}
	if opts.undelivered {
		if filter.undelivered, err = a.Undelivered(ctx); err != nil {
			return err
		}
	}
	next, err := printInbox(ctx, app, a, filter, 1, opts.limit)
	if err != nil || !opts.follow {
		return err
	}
	return app.WhileRead(ctx, func(ctx context.Context) error {
		for err == nil {
			select {
			case <-time.After(followEvery):
				next, err = printInbox(ctx, app, a, filter, next, 0)
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
		}
		return err
	})
}

// printInbox prints events from a sequence number on, only the newest if limit is not 0. It returns the number after
// the last one.
func printInbox(ctx context.Context, app *cli.App, a *account.Account, filter inboxFilter, from uint64,
	limit int) (next uint64, err error) {
	var newest []inbox.Event
	for {
		events, err := a.InboxFrom(ctx, from, inboxAtOnce)
		if err != nil {
			return from, err
		}
		for _, event := range events {
			from = event.Seq + 1
			switch {
			case !filter.shows(event):
			case limit > 0:
				newest = append(newest[max(0, len(newest)-limit+1):], event)
			default:
				err = errors.Join(err, render.PrintEvent(app, a, event, false))
			}
			if err != nil {
				return from, err
			}
		}
		if len(events) < inboxAtOnce {
			break
		}
	}
	for _, event := range newest {
		if err := render.PrintEvent(app, a, event, false); err != nil {
			return from, err
		}
	}
	return from, nil
}
