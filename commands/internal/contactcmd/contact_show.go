package contactcmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/who"
	"sessiontool/lib/record"
)

type contactShowOptions struct {
	id string
}

func newContactShowCommand(app *cli.App) *cobra.Command {
	opts := &contactShowOptions{}
	return app.Command(cli.Spec{
		Use:      "show ID",
		Short:    "Print one contact",
		Examples: []string{"sessiontool contact show $BOB"},
		Prints:   []string{record.TypeContact},
		Needs:    cli.Account,
		Exits:    cli.Exits{record.ExitUsage: "neither a Session ID nor a possible name", record.ExitNotFound: "no such contact"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.id = args[0]
			return runContactShow(ctx, app, opts)
		}),
	})
}

func runContactShow(ctx context.Context, app *cli.App, opts *contactShowOptions) error {
	a, id, err := who.Contact(ctx, app, opts.id)
	if err != nil {
		return err
	}
	return printContact(ctx, app, a, id)
}
