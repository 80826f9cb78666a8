package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/keystore"
	"sessiontool/lib/record"
)

// backupWarning is said wherever there may be two copies of one keystore.
const backupWarning = "One keystore at a time may be in use: two copies that both send and receive use the same keys twice, and\n" +
	"messages are lost. An old copy cannot read what came after it was made; then a friend request with --again\n" +
	"starts a new session."

type exportOptions struct {
	backup        string
	newPassphrase cli.PassphraseFlags
}

func newExportCommand(app *cli.App) *cobra.Command {
	opts := &exportOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "export",
		Short: "Print the account's secret recovery words, or write a backup of everything",
		Long: "Print the account's identity record with its 13 recovery words. Whoever has them is the account's\n" +
			"owner: keep them offline. This is the only command that shows a secret. The words bring back the\n" +
			"identity, but neither contacts nor sessions nor messages.\n\n" +
			"With --backup a copy of the whole keystore is written instead: all accounts with all they have. It is\n" +
			"encrypted with a passphrase, the new one if there is one, else the keystore's own; a keystore with a\n" +
			"key file needs a new one. The file must not be there yet. With - the copy, and no record, goes to\n" +
			"stdout, unless that is a terminal. 'identity restore' reads it.\n\n" + backupWarning,
		Examples: []string{
			"sessiontool identity export --account alice --select mnemonic > words.txt",
			"sessiontool identity export --backup alice.backup --new-passphrase-file passphrase.txt",
			"sessiontool identity export --backup - --new-passphrase-file passphrase.txt > alice.backup",
		},
		Args:   cobra.NoArgs,
		Prints: []string{record.TypeIdentity, record.TypeBackup},
		Exits:  cli.AccountExits().With(cli.Exits{record.ExitUsage: "the file exists, or stdout is a terminal"}),
		Run:    app.Run(func(ctx context.Context, _ []string) error { return runIdentityExport(ctx, app, opts) }),
	})
	cmd.Flags().StringVar(&opts.backup, "backup", "", "write an encrypted copy of the keystore to this file (- for stdout)")
	opts.newPassphrase.AddNew(cmd.Flags())
	return cmd
}

func runIdentityExport(ctx context.Context, app *cli.App, opts *exportOptions) error {
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

// saveBackup writes a backup to a file that is not there yet, and tells of it.
func saveBackup(ctx context.Context, app *cli.App, store *keystore.Store, path string, passphrase func(context.Context) ([]byte, error)) error {
	if _, err := os.Lstat(path); err == nil {
		return cli.UsageError(fmt.Errorf("%s is there already", path))
	}
	names, err := store.Accounts(ctx)
	if err != nil {
		return err
	}
	size, err := publish(path, func(w io.Writer) error { return store.Backup(ctx, w, passphrase) })
	if err != nil {
		return err
	}
	return app.Print(record.Backup{Type: record.TypeBackup, File: path, Bytes: size, Accounts: append([]string{}, names...)})
}

// publish makes a file of mode 0600 that has its name once it is complete and on disk, and returns its size.
func publish(path string, write func(io.Writer) error) (size int64, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return 0, err
	}
	err = write(file)
	if err == nil {
		size, err = file.Seek(0, io.SeekCurrent)
	}
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return 0, errors.Join(err, os.Remove(file.Name()))
	}
	return size, nil
}

func newRestoreCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "restore FILE",
		Short: "Make a keystore from a backup",
		Long: "Make a keystore from what 'identity export --backup' wrote (- reads it from stdin), with all accounts,\n" +
			"sessions and messages. It opens with the backup's passphrase; 'identity passphrase' changes that. A folder\n" +
			"that has a keystore already is left alone, and if the backup or the passphrase is not right nothing is made.\n" +
			"From the 13 words an account is restored by 'keygen --mnemonic-file'.\n\n" + backupWarning,
		Examples: []string{
			"sessiontool identity restore saved.backup --passphrase-file passphrase.txt",
			"sessiontool --keystore copy identity restore - --passphrase-file passphrase.txt < saved.backup",
		},
		Args:   cobra.ExactArgs(1),
		Prints: []string{record.TypeIdentity},
		Exits: cli.Exits{
			record.ExitUsage:  "there is a keystore already",
			record.ExitAuth:   "not a backup, or not its passphrase",
			record.ExitLocked: "",
		},
		Run: app.Run(func(ctx context.Context, args []string) error { return runIdentityRestore(ctx, app, args) }),
	})
}

func runIdentityRestore(ctx context.Context, app *cli.App, args []string) error {
	in := app.Streams.In
	if args[0] != "-" {
		file, err := os.Open(args[0])
		if err != nil {
			return cli.UsageError(err)
		}
		defer file.Close()
		in = file
	} else if app.Streams.InIsTerminal {
		return cli.ErrStdinTerminal
	}
	store, err := app.RestoreKeystore(ctx, in)
	if err != nil {
		return err
	}
	return printIdentities(ctx, app, store)
}

type passphraseOptions struct {
	cli.PassphraseFlags
	keyFile bool
}

func newPassphraseCommand(app *cli.App) *cobra.Command {
	opts := &passphraseOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "passphrase",
		Short: "Change what opens the keystore",
		Long: "Change the keystore's passphrase, give one to a keystore that opens with a key file, or with --key-file the\n" +
			"other way round, which suits cron. The flags without 'new' open the keystore as it is. Commands that run\n" +
			"go on. Backups keep the passphrase that they were made with.",
		Examples: []string{
			"sessiontool identity passphrase --new-passphrase-file passphrase.txt",
			"sessiontool identity passphrase --passphrase-file passphrase.txt --key-file",
		},
		Args:   cobra.NoArgs,
		Prints: []string{record.TypeKeystore},
		Exits:  cli.AccountExits(),
		Run:    app.Run(func(ctx context.Context, _ []string) error { return runIdentityPassphrase(ctx, app, opts) }),
	})
	opts.AddNew(cmd.Flags())
	cmd.Flags().BoolVar(&opts.keyFile, "key-file", false, "open with a key file beside the keystore, without a passphrase")
	return cmd
}

func runIdentityPassphrase(ctx context.Context, app *cli.App, opts *passphraseOptions) error {
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
