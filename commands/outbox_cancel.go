package commands

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
)

type outboxCancelOptions struct {
	entries []string
	all     bool
}

func newOutboxCancelCommand(app *cli.App) *cobra.Command {
	opts := &outboxCancelOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "cancel [ENTRY...]",
		Short: "Take messages from the outbox, so that they are not sent",
		Long: "Take the messages with these numbers from the outbox, or all with --all, and print them. A message\n" +
			"that a node may have taken although its answer was lost can arrive all the same. One that a process\n" +
			"is sending is left alone.",
		Examples: []string{"sessiontool outbox cancel --all"},
		Prints:   []string{record.TypeQueued},
		Needs:    cli.Account,
		Exits: cli.Exits{
			record.ExitUsage: "neither an entry nor --all", record.ExitNotFound: "no such entry",
			record.ExitTemporary: "a process is sending it",
		},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.entries = args
			return runOutboxCancel(ctx, app, opts)
		}),
	})
	cmd.Flags().BoolVar(&opts.all, "all", false, "all messages that wait and that no process is sending")
	return cmd
}

func runOutboxCancel(ctx context.Context, app *cli.App, opts *outboxCancelOptions) error {
	if opts.all == (len(opts.entries) > 0) {
		return cli.UsageError(errors.New("name entries, or all with --all"))
	}
	entries := make([]uint64, len(opts.entries))
	for i, name := range opts.entries {
		var err error
		if entries[i], err = strconv.ParseUint(name, 10, 64); err != nil {
			return cli.UsageError(fmt.Errorf("%q is no number of an entry", name))
		}
	}
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	if opts.all {
		return cancelAll(ctx, app, a)
	}
	for _, entry := range entries {
		if err := cancelEntry(ctx, app, a, entry); err != nil {
			return fmt.Errorf("entry %d: %w", entry, err)
		}
	}
	return nil
}

// cancelAll cancels what waits. What is sent in the meantime is no failure.
func cancelAll(ctx context.Context, app *cli.App, a *account.Account) error {
	waiting, _, err := a.OutboxWaiting(ctx)
	if err != nil {
		return err
	}
	for _, out := range waiting {
		err := cancelEntry(ctx, app, a, out.Seq)
		if err != nil && !errors.Is(err, account.ErrGone) && !errors.Is(err, account.ErrInFlight) {
			return err
		}
	}
	return nil
}

func cancelEntry(ctx context.Context, app *cli.App, a *account.Account, entry uint64) error {
	out, err := a.Cancel(ctx, entry)
	if err != nil {
		return err
	}
	return app.Print(queuedRecord(out, entryCancelled))
}
