package commands

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"sessiontool/lib/account"
	"sessiontool/lib/record"
)

func newIdentityCommand(app *App) *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "Print an identity record for every account", Args: cobra.NoArgs,
		Example: "  sessiontool identity list --select account",
		RunE:    app.runE(app.listIdentities),
	}
	show := &cobra.Command{
		Use: "show", Short: "Print the account's identity record", Args: cobra.NoArgs,
		Example: "  sessiontool identity show --account alice --select session_id",
		RunE:    app.runE(app.showIdentity),
	}
	export := &cobra.Command{
		Use: "export", Short: "Print the account's identity with its secret recovery words", Args: cobra.NoArgs,
		Long: "Print the account's identity record with its 13 recovery words. Whoever has them is the account's\n" +
			"owner: keep them offline. This is the only command that shows a secret.",
		Example: "  sessiontool identity export --account alice --select mnemonic > words.txt",
		RunE:    app.runE(app.exportIdentity),
	}
	var yes bool
	remove := &cobra.Command{
		Use: "remove", Short: "Delete the account from the keystore", Args: cobra.NoArgs,
		Long: "Delete the account with its contacts, sessions and messages from the keystore. The recovery words\n" +
			"bring back the identity, but nothing else.",
		Example: "  sessiontool identity remove --account alice --yes",
		RunE:    app.runE(func(ctx context.Context, _ []string) error { return app.removeIdentity(ctx, yes) }),
	}
	remove.Flags().BoolVar(&yes, "yes", false, "really delete it")
	return parent("identity", "List, show, export and remove accounts", "", list, show, export, remove)
}

func (app *App) listIdentities(ctx context.Context, _ []string) error {
	store, err := app.openKeystore(ctx)
	if err != nil {
		return err
	}
	env, err := app.environment()
	if err != nil {
		return err
	}
	names, err := store.Accounts(ctx)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		a, err := account.Open(ctx, store, env, name)
		if err != nil {
			return err
		}
		if err := app.print(identityRecord(a)); err != nil {
			return err
		}
	}
	return nil
}

func (app *App) showIdentity(ctx context.Context, _ []string) error {
	a, err := app.openAccount(ctx)
	if err != nil {
		return err
	}
	return app.print(identityRecord(a))
}

func (app *App) exportIdentity(ctx context.Context, _ []string) error {
	a, err := app.openAccount(ctx)
	if err != nil {
		return err
	}
	identity := identityRecord(a)
	identity.Mnemonic = a.Mnemonic()
	return app.print(identity)
}

func (app *App) removeIdentity(ctx context.Context, yes bool) error {
	a, err := app.openAccount(ctx)
	if err != nil {
		return err
	}
	if !yes {
		return usageError(fmt.Errorf("this deletes account %q (%s) for good: say --yes", a.Name(), a.ID()))
	}
	store, err := app.openKeystore(ctx)
	if err != nil {
		return err
	}
	if err := store.RemoveAccount(ctx, a.Name()); err != nil {
		return err
	}
	return app.print(record.Removed{
		Type: record.TypeRemoved, Kind: "account", Account: a.Name(), SessionID: a.ID().String(),
	})
}
