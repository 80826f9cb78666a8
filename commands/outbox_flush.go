package commands

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/drafts"
	"sessiontool/lib/record"
)

type outboxFlushOptions struct {
	drafts.StoreFlags
	routeFlags
}

func newOutboxFlushCommand(app *cli.App) *cobra.Command {
	opts := &outboxFlushOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "flush",
		Short: "Send the messages that wait in the outbox",
		Long: "Send the messages that wait in the outbox, oldest first, and print the receipt of each, or an error\n" +
			"record if it still waits. Every send, poll and listen does the same without printing.",
		Examples: []string{"sessiontool outbox flush"},
		Prints:   []string{record.TypeReceipt},
		Needs:    cli.Account | cli.Network,
		Exits: cli.Exits{
			record.ExitPartial: "some are given up for good", record.ExitTemporary: "some still wait",
		},
		Run: app.Run(func(ctx context.Context, _ []string) error { return runOutboxFlush(ctx, app, opts) }),
	})
	opts.StoreFlags.Add(cmd.Flags())
	opts.routeFlags.add(cmd.Flags())
	return cmd
}

func runOutboxFlush(ctx context.Context, app *cli.App, opts *outboxFlushOptions) error {
	options, err := opts.StoreFlags.Options(app)
	if err == nil {
		options, err = opts.routeFlags.options(options)
	}
	if err != nil {
		return err
	}
	a, router, err := app.OpenRouter(ctx, options)
	if err != nil {
		return err
	}
	return drafts.Flush(ctx, app, a, router)
}
