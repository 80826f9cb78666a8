package identitycmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

type identityRemoveOptions struct {
	yes bool
}

func newIdentityRemoveCommand(app *cli.App) *cobra.Command {
	opts := &identityRemoveOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "remove",
		Short: "Delete the account from the keystore",
		Long: "Delete the account with its contacts, sessions and messages from the keystore. The recovery words\n" +
			"bring back the identity, but nothing else.",
		Examples: []string{"sessiontool identity remove --account alice --yes"},
		Prints:   []string{record.TypeRemoved},
		Needs:    cli.Account,
		Exits:    cli.Exits{record.ExitUsage: "--yes is missing"},
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runIdentityRemove(ctx, app, opts) }),
	})
	cmd.Flags().BoolVar(&opts.yes, "yes", false, "really delete it")
	return cmd
}

func runIdentityRemove(ctx context.Context, app *cli.App, opts *identityRemoveOptions) error {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	if !opts.yes {
		return cli.UsageError(fmt.Errorf("this deletes account %q (%s) for good: say --yes", a.Name(), a.ID()))
	}
	store, err := app.OpenKeystore(ctx)
	if err != nil {
		return err
	}
	if err := store.RemoveAccount(ctx, a.Name()); err != nil {
		return err
	}
	return app.Print(record.Removed{
		Type: record.TypeRemoved, Kind: "account", Account: a.Name(), SessionID: a.ID().String(),
	})
}
