package identitycmd

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
	"sessiontool/lib/route"
	"sessiontool/lib/sessionid"
)

// defaultAccount is the name of an account that is made without one.
const defaultAccount = "default"

// maxMnemonicBytes bounds a file of recovery words.
const maxMnemonicBytes = 4096

type keygenOptions struct {
	displayName  string
	mnemonicFile string
	publishKeys  bool
}

// NewKeygen makes the command keygen.
func NewKeygen(app *cli.App) *cobra.Command {
	opts := &keygenOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "keygen",
		Short: "Make an account, or restore one from its 13 words",
		Long: "Make an account in the keystore, which is made too if there is none. Its private keys stay there;\n" +
			"'identity export' shows the 13 words from which the account can be restored.\n\n" +
			"A new keystore opens with a key file beside it, which suits cron. With one of the --passphrase\n" +
			"flags it opens with that passphrase instead.\n\n" +
			"With --publish-keys the new account publishes a key of session-v2, as 'identity keys publish' does.\n" +
			"An account that is restored is on other devices perhaps: it has to be linked, with 'device link'.",
		Examples: []string{
			"sessiontool keygen --account alice --display-name Alice",
			"sessiontool keygen --account alice --mnemonic-file words.txt",
			"sessiontool --network phones.json keygen --account dora --publish-keys",
		},
		Prints: []string{record.TypeIdentity},
		Exits: cli.Exits{
			record.ExitUsage:  "bad words, or the name is taken",
			record.ExitAuth:   "the keystore does not open",
			record.ExitLocked: "",

			record.ExitNotFound:  "with --publish-keys: no network is named or runs",
			record.ExitTemporary: "with --publish-keys: the network does not answer; the account is made all the same",
			record.ExitRefused:   "",
			record.ExitClock:     "",
		},
		Run: app.Run(func(ctx context.Context, _ []string) error { return runKeygen(ctx, app, opts) }),
	})
	cmd.Flags().StringVar(&opts.displayName, "display-name", "", "name that others see")
	cmd.Flags().BoolVar(&opts.publishKeys, "publish-keys", false, "publish a key of session-v2")
	cmd.Flags().StringVar(&opts.mnemonicFile, "mnemonic-file", "", "restore from the words in this file (- for stdin)")
	return cmd
}

func runKeygen(ctx context.Context, app *cli.App, opts *keygenOptions) error {
	name := cmp.Or(app.AccountName, defaultAccount)
	if err := account.CheckNames(name, opts.displayName); err != nil {
		return err
	}
	if opts.publishKeys && opts.mnemonicFile != "" {
		return cli.WithCode(account.ErrOtherDevices, errors.New("--publish-keys is for a new account, not a restored one"))
	}
	if opts.publishKeys {
		if _, err := app.OpenNetwork(); err != nil {
			return err
		}
	}
	seed, err := readSeed(ctx, app, opts.mnemonicFile)
	if err != nil {
		return err
	}
	store, err := app.CreateKeystore(ctx)
	if err != nil {
		return err
	}
	create := account.Create
	if opts.mnemonicFile != "" {
		create = account.Restore
	}
	made, err := create(ctx, store, app.Environment(), name, opts.displayName, seed)
	if err != nil {
		return err
	}
	if err := app.Print(render.Identity(made)); err != nil || !opts.publishKeys {
		return err
	}
	client, err := app.OpenNetwork()
	if err != nil {
		return err
	}
	return route.New(made, client, route.Options{Log: app.Log}).PublishKeys(ctx, false, deviceName)
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
