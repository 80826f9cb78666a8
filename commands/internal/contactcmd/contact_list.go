package contactcmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/record"
)

func newContactListCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:      "list",
		Short:    "Print a contact record for each contact of the account",
		Examples: []string{"sessiontool contact list"},
		Prints:   []string{record.TypeContact},
		Needs:    cli.Account,
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runContactList(ctx, app) }),
	})
}

func runContactList(ctx context.Context, app *cli.App) error {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	contacts, err := a.Contacts(ctx)
	if err != nil {
		return err
	}
	for _, contact := range contacts {
		if err := app.Print(render.Contact(a, contact)); err != nil {
			return err
		}
	}
	return nil
}
