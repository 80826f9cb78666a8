package identitycmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

func newPrekeyRotateCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "rotate",
		Short: "Replace the signed prekey now",
		Long: "Make a new signed prekey. That happens by itself every 48 hours. Old ones are kept for 30 days, so\n" +
			"that requests on their way stay valid.",
		Examples: []string{"sessiontool prekey rotate"},
		Prints:   []string{record.TypePrekey},
		Needs:    cli.Account,
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runPrekeyRotate(ctx, app) }),
	})
}

func runPrekeyRotate(ctx context.Context, app *cli.App) error {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	made, err := a.RotatePrekey(ctx)
	if err != nil {
		return err
	}
	return app.Print(prekeyRecord(a, made))
}
