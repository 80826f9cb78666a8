package identitycmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

func newIdentityKeysUnpublishCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "unpublish",
		Short: "Withdraw the published key",
		Long: "Delete the account's published key from its swarm, and tell the account's other devices. Senders who\n" +
			"have fetched the key use it for up to 48 hours more; this account reads such messages. Then they\n" +
			"write with session-v1, without forward secrecy.",
		Examples: []string{"sessiontool identity keys unpublish --network phones.json"},
		Prints:   []string{record.TypeAccountKey},
		Needs:    cli.Account | cli.Network,
		Exits: cli.Exits{
			record.ExitNotFound: "the account has no keys of session-v2, or no such keystore, account or network",
			record.ExitRefused:  "",
			record.ExitClock:    "",
		},
		Run: app.Run(func(ctx context.Context, _ []string) error { return runIdentityKeysUnpublish(ctx, app) }),
	})
}

func runIdentityKeysUnpublish(ctx context.Context, app *cli.App) error {
	a, router, err := openKeys(ctx, app)
	if err != nil {
		return err
	}
	if err := router.UnpublishKeys(ctx); err != nil {
		return err
	}
	return printCurrentKey(ctx, app, a)
}
