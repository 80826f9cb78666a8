package commands

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/account"
	"sessiontool/lib/sessionid"
)

func newContactCommand(app *cli.App) *cobra.Command {
	return cli.Parent("contact", "List, show, verify and remove contacts", "",
		newContactListCommand(app),
		newContactShowCommand(app),
		newContactVerifyCommand(app),
		newContactRemoveCommand(app),
	)
}

// openContact parses the Session ID of a contact and opens the account.
func openContact(ctx context.Context, app *cli.App, text string) (*account.Account, sessionid.ID, error) {
	id, err := sessionid.Parse(text)
	if err != nil {
		return nil, id, err
	}
	a, err := app.OpenAccount(ctx)
	return a, id, err
}
