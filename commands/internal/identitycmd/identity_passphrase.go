package identitycmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/keystore"
	"sessiontool/lib/record"
)

type identityPassphraseOptions struct {
	cli.PassphraseFlags
	keyFile bool
}

func newIdentityPassphraseCommand(app *cli.App) *cobra.Command {
	opts := &identityPassphraseOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "passphrase",
		Short: "Change what opens the keystore",
		Long: "Change the keystore's passphrase, give one to a keystore that opens with a key file, or with\n" +
			"--key-file the other way round, which suits cron. The flags without 'new' open the keystore as it\n" +
			"is. Commands that run go on. Backups keep the passphrase that they were made with.",
		Examples: []string{
			"sessiontool identity passphrase --new-passphrase-file passphrase.txt",
			"sessiontool identity passphrase --passphrase-file passphrase.txt --key-file",
		},
		Prints: []string{record.TypeKeystore},
		Needs:  cli.Account,
		Run:    app.Run(func(ctx context.Context, _ []string) error { return runIdentityPassphrase(ctx, app, opts) }),
	})
	opts.AddNew(cmd.Flags())
	cmd.Flags().BoolVar(&opts.keyFile, "key-file", false,
		"open with a key file beside the keystore, without a passphrase")
	return cmd
}

func runIdentityPassphrase(ctx context.Context, app *cli.App, opts *identityPassphraseOptions) error {
	read := opts.Source()
	if (read != nil) == opts.keyFile {
		return cli.UsageError(errors.New("give either a new passphrase, as with --ask-new-passphrase, or --key-file"))
	}
	store, err := app.OpenKeystore(ctx)
	if err != nil {
		return err
	}
	if err := store.ChangePassphrase(ctx, keystore.Unlock{Passphrase: read}); err != nil {
		return err
	}
	out := record.Keystore{Type: record.TypeKeystore, Dir: app.KeystoreDir, OpensWith: "passphrase"}
	if opts.keyFile {
		out.OpensWith = "key_file"
	}
	return app.Print(out)
}
