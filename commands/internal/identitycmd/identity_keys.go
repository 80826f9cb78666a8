package identitycmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/account"
	"sessiontool/lib/account/keyring"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
)

func newIdentityKeysCommand(app *cli.App) *cobra.Command {
	return cli.Parent("keys", "Publish, withdraw and list the account's keys of session-v2", "",
		newIdentityKeysPublishCommand(app),
		newIdentityKeysUnpublishCommand(app),
		newIdentityKeysListCommand(app),
	)
}

// openKeys opens account and network for the keys of session-v2.
func openKeys(ctx context.Context, app *cli.App) (*account.Account, *route.Router, error) {
	return app.OpenRouter(ctx, route.Options{})
}

// keyRecords returns the records of the account's keys, the current one first.
func keyRecords(ctx context.Context, a *account.Account) (records []record.AccountKey, err error) {
	err = a.ViewKeyring(ctx, func(k *keyring.Keyring) error {
		records = render.AccountKeys(a, k)
		return nil
	})
	return records, err
}

// printCurrentKey prints the record of the account's current key.
func printCurrentKey(ctx context.Context, app *cli.App, a *account.Account) error {
	records, err := keyRecords(ctx, a)
	if err != nil || len(records) == 0 {
		return err
	}
	return app.Print(records[0])
}
