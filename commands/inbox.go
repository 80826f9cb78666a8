package commands

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/record"
)

type inboxOptions struct {
	limit int
}

func newInboxCommand(app *cli.App) *cobra.Command {
	opts := &inboxOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "inbox",
		Short: "Print what was received before, without asking the network",
		Long: "Print everything that polls have received, oldest first. Nothing is fetched and nothing changes.\n\n" +
			"A message that its sender has deleted for all, as session-v1 clients can, has no text and is marked\n" +
			"unsent.",
		Examples: []string{"sessiontool inbox --limit 10"},
		Prints:   render.Arrivals(),
		Needs:    cli.Account,
		Exits:    cli.Exits{record.ExitPartial: "some messages could not be opened"},
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runInbox(ctx, app, opts) }),
	})
	cmd.Flags().IntVar(&opts.limit, "limit", 1000, "print only the newest of them")
	return cmd
}

func runInbox(ctx context.Context, app *cli.App, opts *inboxOptions) error {
	if opts.limit < 1 {
		return cli.UsageError(fmt.Errorf("--limit %d is not positive", opts.limit))
	}
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	events, err := a.Inbox(ctx, opts.limit)
	if err != nil {
		return err
	}
	for _, event := range events {
		if err := render.PrintEvent(app, a, event, false); err != nil {
			return err
		}
	}
	return nil
}
