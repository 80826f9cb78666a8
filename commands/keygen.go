package commands

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/account"
	"sessiontool/lib/mnemonic"
	"sessiontool/lib/record"
	"sessiontool/lib/sessionid"
)

// defaultAccount is the name of an account that is made without one.
const defaultAccount = "default"

// maxMnemonicBytes bounds a file of recovery words.
const maxMnemonicBytes = 4096

type keygenOptions struct {
	displayName  string
	mnemonicFile string
}

func newKeygenCommand(app *cli.App) *cobra.Command {
	opts := &keygenOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "keygen",
		Short: "Make an account, or restore one from its 13 words",
		Long: "Make an account in the keystore, which is made too if there is none. Its private keys stay there;\n" +
			"'identity export' shows the 13 words from which the account can be restored.\n\n" +
			"A new keystore opens with a key file beside it, which suits cron. With one of the --passphrase\n" +
			"flags it opens with that passphrase instead.",
		Examples: []string{
			"sessiontool keygen --account alice --display-name Alice",
			"sessiontool keygen --account alice --mnemonic-file words.txt",
		},
		Prints: []string{record.TypeIdentity},
		Exits: cli.Exits{
			record.ExitUsage:  "bad words, or the name is taken",
			record.ExitAuth:   "the keystore does not open",
			record.ExitLocked: "",
		},
		Run: app.Run(func(ctx context.Context, _ []string) error { return runKeygen(ctx, app, opts) }),
	})
	cmd.Flags().StringVar(&opts.displayName, "display-name", "", "name that others see")
	cmd.Flags().StringVar(&opts.mnemonicFile, "mnemonic-file", "", "restore from the words in this file (- for stdin)")
	return cmd
}

func runKeygen(ctx context.Context, app *cli.App, opts *keygenOptions) error {
	name := cmp.Or(app.AccountName, defaultAccount)
	if err := account.CheckNames(name, opts.displayName); err != nil {
		return err
	}
	seed, err := readSeed(ctx, app, opts.mnemonicFile)
	if err != nil {
		return err
	}
	store, err := app.CreateKeystore(ctx)
	if err != nil {
		return err
	}
	made, err := account.Create(ctx, store, app.Environment(), name, opts.displayName, seed)
	if err != nil {
		return err
	}
	return app.Print(render.Identity(made))
}

// inputError returns a wrong usage for an input file that cannot be opened, and an error about the time as it is.
func inputError(err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return cli.UsageError(err)
	}
	return err
}

// readSeed draws a new account's secret, or reads it from a file of words.
func readSeed(ctx context.Context, app *cli.App, mnemonicFile string) (sessionid.Seed, error) {
	if mnemonicFile == "" {
		return sessionid.GenerateSeed(rand.Reader)
	}
	in := app.Streams.In
	if mnemonicFile != "-" {
		file, err := cli.OpenInput(ctx, mnemonicFile)
		if err != nil {
			return sessionid.Seed{}, inputError(err)
		}
		defer file.Close()
		in = file
	} else if app.Streams.InIsTerminal {
		return sessionid.Seed{}, cli.ErrStdinTerminal
	}
	words, err := io.ReadAll(io.LimitReader(in, maxMnemonicBytes+1))
	if err != nil {
		return sessionid.Seed{}, err
	}
	if len(words) > maxMnemonicBytes {
		return sessionid.Seed{}, cli.WithCode(cli.ErrMnemonic, errors.New("that is too long for recovery words"))
	}
	return mnemonic.Decode(string(words))
}
