package identitycmd

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/who"
	"sessiontool/lib/message"
	"sessiontool/lib/record"
)

type prekeyBundleOptions struct {
	contact string
}

func newPrekeyBundleCommand(app *cli.App) *cobra.Command {
	opts := &prekeyBundleOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "bundle",
		Short: "Print the prekey bundle that a friend request carries",
		Long: "Print the bundle from which a contact can start a session with this account: identity key, newest\n" +
			"signed prekey with its signature, and a one-time prekey made for that contact. The same contact gets\n" +
			"the same bundle until it has used it. data_base64 is the bundle as messages encode it.",
		Examples: []string{"sessiontool prekey bundle --for $BOB"},
		Prints:   []string{record.TypePrekeyBundle},
		Needs:    cli.Account,
		Exits:    cli.Exits{record.ExitUsage: "neither a Session ID nor a possible name"},
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runPrekeyBundle(ctx, app, opts) }),
	})
	cmd.Flags().StringVar(&opts.contact, "for", "", "the contact, a Session ID or a name of yours (required)")
	return cmd
}

func runPrekeyBundle(ctx context.Context, app *cli.App, opts *prekeyBundleOptions) error {
	if opts.contact == "" {
		return cli.UsageError(fmt.Errorf("--for is required"))
	}
	a, contact, err := who.Contact(ctx, app, opts.contact)
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
