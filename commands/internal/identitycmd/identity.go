// Package identitycmd has the commands for accounts and their keys: keygen, identity, device and prekey.
package identitycmd

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/keystore"
	"sessiontool/lib/account"
)

// NewIdentity makes the command identity.
func NewIdentity(app *cli.App) *cobra.Command {
	return cli.Parent("identity", "List, show, save, restore and remove accounts", "",
		newIdentityListCommand(app),
		newIdentityShowCommand(app),
		newIdentityExportCommand(app),
		newIdentityRestoreCommand(app),
		newIdentityPassphraseCommand(app),
		newIdentityCompactCommand(app),
		newIdentityKeysCommand(app),
		newIdentityRemoveCommand(app),
	)
}

// printIdentities prints an identity record for every account of a keystore.
func printIdentities(ctx context.Context, app *cli.App, store *keystore.Store) error {
	names, err := store.Accounts(ctx)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		a, err := account.Open(ctx, store, app.Environment(), name)
		if err != nil {
			return err
		}
		if err := app.Print(render.Identity(a)); err != nil {
			return err
		}
	}
	return nil
}
