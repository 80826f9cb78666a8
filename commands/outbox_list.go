package commands

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

func newOutboxListCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:      "list",
		Short:    "List the messages that wait in the outbox, oldest first",
		Examples: []string{"sessiontool outbox list --select '[entry,to,queued_at]'"},
		Prints:   []string{record.TypeQueued},
		Needs:    cli.Account,
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runOutboxList(ctx, app) }),
	})
}

func runOutboxList(ctx context.Context, app *cli.App) error {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	waiting, inFlight, err := a.OutboxWaiting(ctx)
	if err != nil {
		return err
	}
	for i, out := range waiting {
		state := entryWaiting
		if inFlight[i] {
			state = entryInFlight
		}
		if err := app.Print(queuedRecord(out, state)); err != nil {
			return err
		}
	}
	return nil
}
