package commands

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/account"
	"sessiontool/lib/message"
	"sessiontool/lib/record"
)

func newPrekeyCommand(app *cli.App) *cobra.Command {
	var to string
	bundle := app.Command(cli.Spec{
		Use:   "bundle",
		Short: "Print the prekey bundle that a friend request carries",
		Long: "Print the bundle from which a contact can start a session with this account: identity key, newest signed\n" +
			"prekey with its signature, and a one-time prekey made for that contact. The same contact gets the same\n" +
			"bundle until it has used it. data_base64 is the bundle as messages encode it.",
		Examples: []string{"sessiontool prekey bundle --for $BOB"},
		Args:     cobra.NoArgs,
		Prints:   []string{record.TypePrekeyBundle},
		Exits:    cli.AccountExits().With(cli.Exits{record.ExitUsage: "not a Session ID"}),
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runPrekeyBundle(ctx, app, to) }),
	})
	bundle.Flags().StringVar(&to, "for", "", "Session ID of the contact (required)")
	rotate := app.Command(cli.Spec{
		Use:   "rotate",
		Short: "Replace the signed prekey now",
		Long: "Make a new signed prekey. That happens by itself every 48 hours. Old ones are kept for 30 days, so that\n" +
			"requests on their way stay valid.",
		Examples: []string{"sessiontool prekey rotate"},
		Args:     cobra.NoArgs,
		Prints:   []string{record.TypePrekey},
		Exits:    cli.AccountExits(),
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runPrekeyRotate(ctx, app) }),
	})
	list := app.Command(cli.Spec{
		Use:      "list",
		Short:    "Print the account's prekeys: signed ones, newest first, then unused one-time prekeys",
		Examples: []string{"sessiontool prekey list"},
		Args:     cobra.NoArgs,
		Prints:   []string{record.TypePrekey},
		Exits:    cli.AccountExits(),
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runPrekeyList(ctx, app) }),
	})
	return cli.Parent("prekey", "Show, rotate and list prekeys", "", bundle, rotate, list)
}

func runPrekeyBundle(ctx context.Context, app *cli.App, to string) error {
	if to == "" {
		return cli.UsageError(fmt.Errorf("--for is required"))
	}
	a, contact, err := openContact(ctx, app, to)
	if err != nil {
		return err
	}
	bundle, err := a.Bundle(ctx, contact)
	if err != nil {
		return err
	}
	encoded := message.Content{Bundle: &bundle}.Marshal()
	return app.Print(record.PrekeyBundle{
		Type: record.TypePrekeyBundle, Account: a.Name(), SessionID: a.ID().String(), For: contact.String(),
		IdentityKey: bundle.IdentityKey.String(), SignedPrekeyID: bundle.SignedPrekeyID,
		SignedPrekey: bundle.SignedPrekey.String(), Signature: fmt.Sprintf("%x", bundle.Signature[:]),
		OneTimePrekeyID: bundle.OneTimePrekeyID, OneTimePrekey: bundle.OneTimePrekey.String(),
		DataBase64: base64.StdEncoding.EncodeToString(encoded),
	})
}

func runPrekeyRotate(ctx context.Context, app *cli.App) error {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	made, err := a.RotatePrekey(ctx)
	if err != nil {
		return err
	}
	return app.Print(prekeyRecord(a, made))
}

func runPrekeyList(ctx context.Context, app *cli.App) error {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	prekeys, err := a.Prekeys(ctx)
	if err != nil {
		return err
	}
	for _, prekey := range prekeys {
		if err := app.Print(prekeyRecord(a, prekey)); err != nil {
			return err
		}
	}
	return nil
}

func prekeyRecord(a *account.Account, p account.Prekey) record.Prekey {
	out := record.Prekey{
		Type: record.TypePrekey, Account: a.Name(), Kind: "signed", ID: p.ID, PublicKey: p.Public.String(),
		CreatedAt: record.Time(p.CreatedAt), Current: p.Current,
	}
	if p.OneTime {
		out.Kind, out.For = "one_time", p.For.String()
	}
	return out
}
