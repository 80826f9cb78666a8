package commands

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
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
		Exits:    cli.Exits{record.ExitUsage: "not a Session ID", record.ExitNotFound: "no such contact"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.id = args[0]
			return runContactShow(ctx, app, opts)
		}),
	})
}

func runContactShow(ctx context.Context, app *cli.App, opts *contactShowOptions) error {
	a, id, err := openContact(ctx, app, opts.id)
	if err != nil {
		return err
	}
	contact, err := a.Contact(ctx, id)
	if err != nil {
		return err
	}
	return app.Print(render.Contact(a, contact))
}
