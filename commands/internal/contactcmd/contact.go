// Package contactcmd has the commands for contacts.
package contactcmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/account"
	"sessiontool/lib/sessionid"
)

// New makes the command contact.
func New(app *cli.App) *cobra.Command {
	return cli.Parent("contact", "List, name, verify, block and remove contacts", "",
		newContactListCommand(app),
		newContactShowCommand(app),
		newContactAddCommand(app),
		newContactRenameCommand(app),
		newContactVerifyCommand(app),
		newContactBlockCommand(app),
		newContactUnblockCommand(app),
		newContactRemoveCommand(app),
	)
}

// printContact prints the record of a contact.
func printContact(ctx context.Context, app *cli.App, a *account.Account, id sessionid.ID) error {
	contact, err := a.Contact(ctx, id)
	if err != nil {
		return err
	}
	return app.Print(render.Contact(a, contact))
}
