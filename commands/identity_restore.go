package commands

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

func newIdentityRestoreCommand(app *cli.App) *cobra.Command {
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
