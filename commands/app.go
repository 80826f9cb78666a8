package commands

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sessiontool/keystore"
	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/onion"
	"sessiontool/lib/presence"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
)

// App is one run: its streams, its global flags, and what was opened on the way.
type App struct {
	streams Streams
	printer *printer
	bar     *progressBar
	log     *slog.Logger

	keystoreDir string
	accountName string
	networkName string
	timeout     time.Duration
	lockTimeout time.Duration
	passphrase  passphraseFlags
	verbose     bool
	pretty      bool
	selection   string

	presence *presence.Presence
	network  *network.Client
}

func newApp(streams Streams) *App {
	return &App{streams: streams, printer: &printer{out: streams.Out, err: streams.Err}, bar: &progressBar{out: streams.Err}}
}

func (app *App) addGlobalFlags(flags *pflag.FlagSet) {
	flags.StringVar(&app.keystoreDir, "keystore", "", "folder of the keystore (default: in the user's data folder)")
	flags.StringVar(&app.accountName, "account", "", "account in the keystore (default: the only one)")
	flags.StringVar(&app.networkName, "network", "", "name, file or seed URL of the network (default: the running devnet)")
	flags.DurationVar(&app.timeout, "timeout", 0, "give up after this time (default 2m)")
	flags.DurationVar(&app.lockTimeout, "lock-timeout", keystore.DefaultLockTimeout, "how long to wait for the keystore's lock")
	flags.BoolVar(&app.pretty, "pretty", false, "indent records")
	flags.StringVar(&app.selection, "select", "", "print only what this gjson path selects of each record")
	flags.BoolVarP(&app.verbose, "verbose", "v", false, "tell on stderr what happens")
	app.passphrase.add(flags)
}

// defaultTimeout is long enough for a proof of work and for a few dead nodes on the way.
const defaultTimeout = 2 * time.Minute

// prepare settles the global settings: flags, then environment, then config file, then defaults.
func (app *App) prepare() error {
	config, err := loadConfig(app.streams.Env)
	if err != nil {
		return err
	}
	setting := func(value *string, name, fromFile string) {
		if *value == "" {
			*value = app.streams.Env("SESSIONTOOL_" + name)
		}
		if *value == "" {
			*value = fromFile
		}
	}
	setting(&app.keystoreDir, "KEYSTORE", config.Keystore)
	setting(&app.accountName, "ACCOUNT", config.Account)
	setting(&app.networkName, "NETWORK", config.Network)
	if app.keystoreDir == "" {
		if app.keystoreDir, err = dataDir(app.streams.Env); err != nil {
			return err
		}
	}
	if err := app.settleTimeout(config.Timeout); err != nil {
		return err
	}
	app.printer.pretty, app.printer.path = app.pretty, app.selection
	level := slog.LevelWarn
	if app.verbose {
		level = slog.LevelInfo
	}
	app.log = slog.New(slog.NewTextHandler(app.streams.Err, &slog.HandlerOptions{Level: level}))
	return nil
}

func (app *App) settleTimeout(fromFile string) error {
	text := app.streams.Env("SESSIONTOOL_TIMEOUT")
	if text == "" {
		text = fromFile
	}
	if app.timeout == 0 && text != "" {
		parsed, err := time.ParseDuration(text)
		if err != nil {
			return usageError(fmt.Errorf("SESSIONTOOL_TIMEOUT: %w", err))
		}
		app.timeout = parsed
	}
	if app.timeout < 0 {
		return usageError(errors.New("--timeout must not be negative"))
	}
	return nil
}

// action is what a command does once its flags are parsed.
type action func(ctx context.Context, args []string) error

// runE adapts an action to cobra. The command's time is bounded by --timeout, unless it runs until it is stopped.
func (app *App) runE(do action) func(*cobra.Command, []string) error {
	return app.command(do, defaultTimeout)
}

// runUntilStopped is runE for commands that run until they are stopped.
func (app *App) runUntilStopped(do action) func(*cobra.Command, []string) error {
	return app.command(do, 0)
}

// runAtOnce is runE for commands that only print what the program knows. They end before a signal could matter, and do
// without the time that it takes to be ready for one.
func (app *App) runAtOnce(do func() error) func(*cobra.Command, []string) error {
	return func(*cobra.Command, []string) error {
		if err := app.prepare(); err != nil {
			return err
		}
		return do()
	}
}

func (app *App) command(do action, limit time.Duration) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := app.prepare(); err != nil {
			return err
		}
		stopped := cmd.Context()
		if app.streams.UntilSignal != nil {
			stopped = app.streams.UntilSignal(stopped)
		}
		if app.timeout > 0 {
			limit = app.timeout
		}
		ctx := stopped
		if limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
		if app.streams.UntilSignal != nil {
			app.streams.In = &untilDone{ctx: ctx, in: app.streams.In}
		}
		err := do(ctx, args)
		if stopped.Err() != nil {
			return context.Cause(stopped)
		}
		if err == nil && app.printer.failed {
			return errPartial
		}
		if err != nil && ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("%w (after %s)", context.DeadlineExceeded, limit)
		}
		return err
	}
}

// print writes a record to stdout.
func (app *App) print(v any) error {
	app.bar.clear()
	return app.printer.print(v)
}

// writeError writes the final error record to stderr. Where stderr is closed the exit code still tells.
func (app *App) writeError(problem record.Error) {
	app.bar.clear()
	if line, err := (&printer{}).encode(problem); err == nil {
		_, _ = app.streams.Err.Write(line)
	}
}

// close ends what the run has opened.
func (app *App) close() error {
	var errs []error
	if app.network != nil {
		errs = append(errs, app.network.Close())
	}
	if app.presence != nil {
		errs = append(errs, app.presence.Close())
	}
	return errors.Join(errs...)
}

func (app *App) openKeystore(ctx context.Context) (*keystore.Store, error) {
	return keystore.Open(ctx, app.keystoreDir, app.unlock(), app.keystoreOptions())
}

func (app *App) keystoreOptions() keystore.Options {
	return keystore.Options{LockTimeout: app.lockTimeout, CommitHook: app.streams.CommitHook}
}

// createKeystore opens the keystore, making it if there is none.
func (app *App) createKeystore(ctx context.Context) (*keystore.Store, error) {
	return keystore.Create(ctx, app.keystoreDir, app.unlock(), app.keystoreOptions())
}

// environment is what accounts of this run take from outside.
func (app *App) environment() (account.Environment, error) {
	if app.presence == nil {
		announced, err := presence.Announce(filepath.Join(app.keystoreDir, "live"))
		if err != nil {
			return account.Environment{}, err
		}
		app.presence = announced
	}
	return account.Environment{
		Now: time.Now, Random: rand.Reader, Owner: app.presence.Name(), Look: app.presence.Look,
	}, nil
}

// openAccount opens the account that the flags name, or the only one.
func (app *App) openAccount(ctx context.Context) (*account.Account, error) {
	store, err := app.openKeystore(ctx)
	if err != nil {
		return nil, err
	}
	name := app.accountName
	if name == "" {
		names, err := store.Accounts(ctx)
		if err != nil {
			return nil, err
		}
		switch len(names) {
		case 0:
			return nil, keystore.ErrAccountNotFound
		case 1:
			name = names[0]
		default:
			return nil, fmt.Errorf("%w: %q", errAccountRequired, names)
		}
	}
	env, err := app.environment()
	if err != nil {
		return nil, err
	}
	return account.Open(ctx, store, env, name)
}

// openNetwork opens the network that the flags name, or the running devnet.
func (app *App) openNetwork() (*network.Client, error) {
	if app.network != nil {
		return app.network, nil
	}
	found, err := app.resolveNetwork()
	if err != nil {
		return nil, err
	}
	client, err := network.New(network.Config{
		Seeds: found.Seeds, StateFile: network.StatePath(app.keystoreDir, found.Seeds),
		OnionVersion: onion.Version(found.OnionVersion), Random: rand.Reader, Now: time.Now, Log: app.log,
	})
	if err != nil {
		return nil, err
	}
	app.network = client
	return client, nil
}

// openRouter opens account and network.
func (app *App) openRouter(ctx context.Context, options route.Options) (*account.Account, *route.Router, error) {
	client, err := app.openNetwork()
	if err != nil {
		return nil, nil, err
	}
	a, err := app.openAccount(ctx)
	if err != nil {
		return nil, nil, err
	}
	options.Log = app.log
	return a, route.New(a, client, options), nil
}
