package commands

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/keystore"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
)

func newIdentityCommand(app *cli.App) *cobra.Command {
	list := app.Command(cli.Spec{
		Use:      "list",
		Short:    "Print an identity record for every account",
		Examples: []string{"sessiontool identity list --select account"},
		Args:     cobra.NoArgs,
		Prints:   []string{record.TypeIdentity},
		Exits:    cli.AccountExits(),
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runIdentityList(ctx, app) }),
	})
	var qr qrFlags
	show := app.Command(cli.Spec{
		Use:   "show",
		Short: "Print the account's identity record",
		Long: "Print the account's identity record. With --qr its Session ID is also drawn as a QR code, to be scanned by\n" +
			"a friend's phone: on stderr, because stdout carries records only. --qr-file writes it as a picture.",
		Examples: []string{
			"sessiontool identity show --account alice --select session_id",
			"sessiontool identity show --qr",
			"sessiontool identity show --qr-file alice.svg",
		},
		Args:   cobra.NoArgs,
		Prints: []string{record.TypeIdentity},
		Exits:  cli.AccountExits().With(cli.Exits{record.ExitUsage: "the picture cannot be written"}),
		Run:    app.Run(func(ctx context.Context, _ []string) error { return runIdentityShow(ctx, app, &qr) }),
	})
	show.Flags().BoolVar(&qr.terminal, "qr", false, "draw the Session ID as a QR code on stderr")
	show.Flags().StringVar(&qr.file, "qr-file", "", "write the QR code to this file, .png or .svg")
	var yes bool
	remove := app.Command(cli.Spec{
		Use:   "remove",
		Short: "Delete the account from the keystore",
		Long: "Delete the account with its contacts, sessions and messages from the keystore. The recovery words\n" +
			"bring back the identity, but nothing else.",
		Examples: []string{"sessiontool identity remove --account alice --yes"},
		Args:     cobra.NoArgs,
		Prints:   []string{record.TypeRemoved},
		Exits:    cli.AccountExits().With(cli.Exits{record.ExitUsage: "--yes is missing"}),
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runIdentityRemove(ctx, app, yes) }),
	})
	remove.Flags().BoolVar(&yes, "yes", false, "really delete it")
	return cli.Parent("identity", "List, show, save, restore and remove accounts", "",
		list, show, newExportCommand(app), newRestoreCommand(app), newPassphraseCommand(app), remove)
}

func runIdentityList(ctx context.Context, app *cli.App) error {
	store, err := app.OpenKeystore(ctx)
	if err != nil {
		return err
	}
	return printIdentities(ctx, app, store)
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
		if err := app.Print(identityRecord(a)); err != nil {
			return err
		}
	}
	return nil
}

func runIdentityShow(ctx context.Context, app *cli.App, qr *qrFlags) error {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	if err := qr.draw(app.Streams, a.ID().String()); err != nil {
		return err
	}
	return app.Print(identityRecord(a))
}

func exportIdentity(ctx context.Context, app *cli.App) error {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	identity := identityRecord(a)
	identity.Mnemonic = a.Mnemonic()
	return app.Print(identity)
}

func runIdentityRemove(ctx context.Context, app *cli.App, yes bool) error {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	if !yes {
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
