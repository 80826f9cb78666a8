package commands

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/lib/record"
	"sessiontool/lib/sessionid"
)

func newContactCommand(app *App) *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "Print a contact record for everybody this account has dealt with", Args: cobra.NoArgs,
		Example: "  sessiontool contact list",
		RunE:    app.runE(app.listContacts),
	}
	show := &cobra.Command{
		Use: "show ID", Short: "Print one contact", Args: cobra.ExactArgs(1),
		Example: "  sessiontool contact show $BOB",
		RunE:    app.runE(app.showContact),
	}
	remove := &cobra.Command{
		Use: "remove ID", Short: "Forget a contact and the session with it", Args: cobra.ExactArgs(1),
		Long: "Forget a contact, the session with it and its friend requests. Messages already received stay in the\n" +
			"inbox. To talk again, one of the two sends a new friend request.",
		Example: "  sessiontool contact remove $BOB",
		RunE:    app.runE(app.removeContact),
	}
	return parent("contact", "List, show and remove contacts", "", list, show, remove)
}

func (app *App) listContacts(ctx context.Context, _ []string) error {
	a, err := app.openAccount(ctx)
	if err != nil {
		return err
	}
	contacts, err := a.Contacts(ctx)
	if err != nil {
		return err
	}
	for _, contact := range contacts {
		if err := app.print(contactRecord(a, contact)); err != nil {
			return err
		}
	}
	return nil
}

func (app *App) showContact(ctx context.Context, args []string) error {
	id, err := sessionid.Parse(args[0])
	if err != nil {
		return err
	}
	a, err := app.openAccount(ctx)
	if err != nil {
		return err
	}
	contact, err := a.Contact(ctx, id)
	if err != nil {
		return err
	}
	return app.print(contactRecord(a, contact))
}

func (app *App) removeContact(ctx context.Context, args []string) error {
	id, err := sessionid.Parse(args[0])
	if err != nil {
		return err
	}
	a, err := app.openAccount(ctx)
	if err != nil {
		return err
	}
	if err := a.RemoveContact(ctx, id); err != nil {
		return err
	}
	return app.print(record.Removed{Type: record.TypeRemoved, Kind: "contact", Account: a.Name(), SessionID: id.String()})
}
