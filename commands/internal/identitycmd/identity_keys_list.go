package identitycmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

func newIdentityKeysListCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "list",
		Short: "Print the account's keys of session-v2, the current one first",
		Long: "Print the account's keys of session-v2: the current one, and those that are kept for messages on\n" +
			"their way. Private keys are not printed.",
		Examples: []string{"sessiontool identity keys list --select rotates_at"},
		Prints:   []string{record.TypeAccountKey},
		Needs:    cli.Account,
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runIdentityKeysList(ctx, app) }),
	})
}

func runIdentityKeysList(ctx context.Context, app *cli.App) error {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	records, err := keyRecords(ctx, a)
	if err != nil {
		return err
	}
	for _, key := range records {
		if err := app.Print(key); err != nil {
			return err
		}
	}
	return nil
}
