package contactcmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/who"
	"sessiontool/lib/record"
)

type contactRenameOptions struct {
	id   string
	name string
}

func newContactRenameCommand(app *cli.App) *cobra.Command {
	opts := &contactRenameOptions{}
	return app.Command(cli.Spec{
		Use:   "rename ID NAME",
		Short: "Give a contact another name of yours, or none",
		Long: "Give a contact, found by its Session ID or by its present name, another name. An empty name takes\n" +
			"the name away. The rules for names are those of 'contact add'.",
		Examples: []string{
			"sessiontool contact add $BOB --name bob && sessiontool contact rename bob robert",
			"sessiontool contact rename $BOB ''",
		},
		Prints: []string{record.TypeContact},
		Needs:  cli.Account,
		Exits: cli.Exits{
			record.ExitUsage:    "not a Session ID, or not a name, or another contact has it",
			record.ExitNotFound: "no such contact",
		},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.id, opts.name = args[0], args[1]
			return runContactRename(ctx, app, opts)
		}),
	})
}

func runContactRename(ctx context.Context, app *cli.App, opts *contactRenameOptions) error {
	a, id, err := who.Contact(ctx, app, opts.id)
	if err != nil {
		return err
	}
	if err := a.NameContact(ctx, id, opts.name, true); err != nil {
		return err
	}
	return printContact(ctx, app, a, id)
}
