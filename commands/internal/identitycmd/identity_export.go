package identitycmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/keystore"
	"sessiontool/lib/record"
)

// backupWarning is part of the help of every command that makes a copy of a keystore.
const backupWarning = "One keystore at a time may be in use: two copies that both send and receive use the same\n" +
	"keys twice, and messages are lost. An old copy cannot read what came after it was made; then a friend request\n" +
	"with --again starts a new session."

type identityExportOptions struct {
	backup        string
	newPassphrase cli.PassphraseFlags
}

func newIdentityExportCommand(app *cli.App) *cobra.Command {
	opts := &identityExportOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "export",
		Short: "Print the account's secret recovery words, or write a backup of everything",
		Long: "Print the account's identity record with its 13 recovery words. They are all that it takes to own\n" +
			"the account: keep them offline. This is the only command that shows a secret. The words bring back\n" +
			"the identity, but neither contacts nor sessions nor messages.\n\n" +
			"With --backup a copy of the whole keystore is written instead: all accounts with all they have. It is\n" +
			"encrypted with a passphrase, the new one if there is one, else the keystore's own; a keystore with a\n" +
			"key file needs a new one. The file must not be there yet. With - the copy, and no record, goes to\n" +
			"stdout, unless that is a terminal. 'identity restore' reads it.\n\n\n\n" + backupWarning,
		Examples: []string{
			"sessiontool identity export --account alice --select mnemonic > words.txt",
			"sessiontool identity export --backup alice.backup --new-passphrase-file passphrase.txt",
			"sessiontool identity export --backup - --new-passphrase-file passphrase.txt > alice.backup",
		},
		Prints: []string{record.TypeIdentity, record.TypeBackup},
		Needs:  cli.Account,
		Exits:  cli.Exits{record.ExitUsage: "the file exists, or stdout is a terminal"},
		Run:    app.Run(func(ctx context.Context, _ []string) error { return runIdentityExport(ctx, app, opts) }),
	})
	cmd.Flags().StringVar(&opts.backup, "backup", "",
		"write an encrypted copy of the keystore to this file (- for stdout)")
	opts.newPassphrase.AddNew(cmd.Flags())
	return cmd
}

func runIdentityExport(ctx context.Context, app *cli.App, opts *identityExportOptions) error {
	read := opts.newPassphrase.Source()
	switch {
	case opts.backup == "" && read != nil:
		return cli.UsageError(errors.New("a new passphrase is for a --backup"))
	case opts.backup == "":
		return exportIdentity(ctx, app)
	case opts.backup == "-" && app.Streams.OutIsTerminal:
		return cli.UsageError(errors.New("a backup does not go to a terminal"))
	}
	store, err := app.OpenKeystore(ctx)
	if err != nil {
		return err
	}
	if opts.backup == "-" {
		return store.Backup(ctx, app.Streams.Out, read)
	}
	return saveBackup(ctx, app, store, opts.backup, read)
}

// saveBackup writes a backup to a new file and prints its record.
func saveBackup(ctx context.Context, app *cli.App, store *keystore.Store, path string,
	passphrase func(context.Context) ([]byte, error)) error {
	if _, err := os.Lstat(path); err == nil {
		return cli.UsageError(fmt.Errorf("%s is there already", path))
	}
	names, err := store.Accounts(ctx)
	if err != nil {
		return err
	}
	size, err := cli.Publish(path, func(w io.Writer) error { return store.Backup(ctx, w, passphrase) })
	if err != nil {
		return err
	}
	return app.Print(record.Backup{Type: record.TypeBackup, File: path, Bytes: size,
		Accounts: append([]string{}, names...)})
}

func exportIdentity(ctx context.Context, app *cli.App) error {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	identity := render.Identity(a)
	identity.Mnemonic = a.Mnemonic()
	return app.Print(identity)
}
