package identitycmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

func newIdentityListCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:      "list",
		Short:    "Print an identity record for every account",
		Examples: []string{"sessiontool identity list --select account"},
		Prints:   []string{record.TypeIdentity},
		Needs:    cli.Account,
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runIdentityList(ctx, app) }),
	})
}

func runIdentityList(ctx context.Context, app *cli.App) error {
	store, err := app.OpenKeystore(ctx)
	if err != nil {
		return err
	}
	return printIdentities(ctx, app, store)
}
