package identitycmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

type identityRestoreOptions struct {
	file string // - for stdin
}

func newIdentityRestoreCommand(app *cli.App) *cobra.Command {
	opts := &identityRestoreOptions{}
	return app.Command(cli.Spec{
		Use:   "restore FILE",
		Short: "Make a keystore from a backup",
		Long: "Make a keystore from what 'identity export --backup' wrote (- reads it from stdin), with all\n" +
			"accounts, sessions and messages. It opens with the backup's passphrase; 'identity passphrase'\n" +
			"changes that. A folder that has a keystore already is left alone, and if the backup or the\n" +
			"passphrase is not right nothing is made. From the 13 words an account is restored by 'keygen\n" +
			"--mnemonic-file'.\n\n\n" + backupWarning,
		Examples: []string{
			"sessiontool identity restore saved.backup --passphrase-file passphrase.txt",
			"sessiontool --keystore copy identity restore - --passphrase-file passphrase.txt < saved.backup",
		},
		Prints: []string{record.TypeIdentity},
		Exits: cli.Exits{
			record.ExitUsage:  "there is a keystore already",
			record.ExitAuth:   "not a backup, or not its passphrase",
			record.ExitLocked: "",
		},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.file = args[0]
			return runIdentityRestore(ctx, app, opts)
		}),
	})
}

func runIdentityRestore(ctx context.Context, app *cli.App, opts *identityRestoreOptions) error {
	in := app.Streams.In
	if opts.file != "-" {
		file, err := cli.OpenInput(ctx, opts.file)
		if err != nil {
			return inputError(err)
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
