package contactcmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/who"
	"sessiontool/lib/record"
)

type contactRemoveOptions struct {
	id string
}

func newContactRemoveCommand(app *cli.App) *cobra.Command {
	opts := &contactRemoveOptions{}
	return app.Command(cli.Spec{
		Use:   "remove ID",
		Short: "Forget a contact and the session with it",
		Long: "Forget a contact, its name, the session with it and its friend requests. Messages already received\n" +
			"stay in the inbox, and a blocked contact stays on the list as blocked. To talk again, one of the two\n" +
			"sends a new friend request.",
		Examples: []string{"sessiontool contact remove $BOB"},
		Prints:   []string{record.TypeRemoved},
		Needs:    cli.Account,
		Exits:    cli.Exits{record.ExitUsage: "neither a Session ID nor a possible name", record.ExitNotFound: "no such contact"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.id = args[0]
			return runContactRemove(ctx, app, opts)
		}),
	})
}

func runContactRemove(ctx context.Context, app *cli.App, opts *contactRemoveOptions) error {
	a, id, err := who.Contact(ctx, app, opts.id)
	if err != nil {
		return err
	}
	if err := a.RemoveContact(ctx, id); err != nil {
		return err
	}
	return app.Print(record.Removed{
		Type: record.TypeRemoved, Kind: "contact", Account: a.Name(), SessionID: id.String(),
	})
}
