package identitycmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

func newPrekeyListCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:      "list",
		Short:    "Print the account's prekeys: signed ones, newest first, then unused one-time prekeys",
		Examples: []string{"sessiontool prekey list"},
		Prints:   []string{record.TypePrekey},
		Needs:    cli.Account,
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runPrekeyList(ctx, app) }),
	})
}

func runPrekeyList(ctx context.Context, app *cli.App) error {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	prekeys, err := a.Prekeys(ctx)
	if err != nil {
		return err
	}
	for _, prekey := range prekeys {
		if err := app.Print(prekeyRecord(a, prekey)); err != nil {
			return err
		}
	}
	return nil
}
