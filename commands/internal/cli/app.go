// Package cli is the shell around every command: streams and records, settings, errors and exit codes, signals, input,
// passphrases, logging, progress, and the account and network that the flags name. It knows no command.
package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sessiontool/keystore"
	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/presence"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
)

// App is one run: its streams, its global flags, and what was opened on the way.
type App struct {
	Streams Streams
	printer *printer
	bar     *progressBar
	Log     *slog.Logger

	KeystoreDir string
	AccountName string
	networkName string
	timeout     time.Duration
	lockTimeout time.Duration
	passphrase  PassphraseFlags
	logging     logFlags
	origins     map[string]origin // of the settings, by name
	Unwritten   error             // why help that --help asked for could not be written
	homeless    error             // why there is no folder for a keystore; what needs none goes on

	specs    map[*cobra.Command]Spec
	presence *presence.Presence
	network  *network.Client
}

func New(streams Streams) *App {
	return &App{
		Streams: streams, printer: &printer{out: streams.Out, err: streams.Err}, bar: &progressBar{out: streams.Err},
		specs: make(map[*cobra.Command]Spec),
	}
}

func (app *App) AddGlobalFlags(flags *pflag.FlagSet) {
	flags.StringVar(&app.KeystoreDir, "keystore", "", "folder of the keystore (default: in the user's data folder)")
	flags.StringVar(&app.AccountName, "account", "", "account in the keystore (default: the only one)")
	flags.StringVar(&app.networkName, "network", "", "name, file or seed URL of the network, mainnet or testnet (default: the running devnet)")
	flags.DurationVar(&app.timeout, "timeout", defaultTimeout, "give up after this time, or never if it is 0")
	refuse(flags, "timeout", func() error {
		if app.timeout < 0 {
			return errors.New("a time must not be negative")
		}
		return nil
	})
	flags.DurationVar(&app.lockTimeout, "lock-timeout", keystore.DefaultLockTimeout, "how long to wait for the keystore's lock")
	refuse(flags, "lock-timeout", func() error {
		if app.lockTimeout <= 0 {
			return errors.New("a time to wait must be positive")
		}
		return nil
	})
	flags.BoolVar(&app.printer.pretty, "pretty", false, "indent records")
	flags.StringVar(&app.printer.path, "select", "", "print only what this gjson path selects of each record")
	app.logging.add(flags)
	app.passphrase.add(flags)
}

// defaultTimeout is long enough for a proof of work and for a few dead nodes on the way.
const defaultTimeout = 2 * time.Minute

// Prepare settles the global settings: flags, then environment, then config file, then defaults. A command whose output
// counts as read does not start without a place for it.
func (app *App) Prepare(cmd *cobra.Command) (err error) {
	app.Log = slog.New(slog.DiscardHandler)
	if app.SpecOf(cmd).Delivers && app.Streams.OutClosed {
		return errOutputClosed
	}
	if err := app.applySettings(cmd.Flags()); err != nil {
		return err
	}
	if app.KeystoreDir == "" {
		app.KeystoreDir, app.homeless = dataDir(app.Streams.Env)
	}
	app.Log, err = app.logging.logger(app.Streams.Err)
	return err
}

// action is what a command does once its flags are parsed.
type action func(ctx context.Context, args []string) error

// Run adapts an action to cobra. The command's time is bounded by --timeout.
func (app *App) Run(do action) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := app.Prepare(cmd); err != nil {
			return err
		}
		return app.within(cmd.Context(), app.timeout, func(ctx context.Context) error { return do(ctx, args) })
	}
}

// RunUntilStopped is Run for commands that run until they are stopped: only a --timeout that was set bounds them.
func (app *App) RunUntilStopped(do action) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := app.Prepare(cmd); err != nil {
			return err
		}
		limit := app.timeout
		if app.origins["timeout"].Kind == OriginDefault {
			limit = 0
		}
		return app.within(cmd.Context(), limit, func(ctx context.Context) error {
			ctx.Done() // a signal is how it ends, from its first moment on
			return do(ctx, args)
		})
	}
}

// RunAtOnce is Run for commands that only print what the program knows. They end before a signal to stop could matter,
// and do without the time that it takes to be ready for one.
func (app *App) RunAtOnce(do func() error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		if err := app.Prepare(cmd); err != nil {
			return err
		}
		if app.Streams.UntilSignal != nil {
			survive()
		}
		return do()
	}
}

// RunDespite is Run for commands without arguments that work although the settings are wrong: they are handed the
// problem.
func (app *App) RunDespite(do func(ctx context.Context, problem error) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		problem := app.Prepare(cmd)
		return app.within(cmd.Context(), app.timeout, func(ctx context.Context) error { return do(ctx, problem) })
	}
}

// within does a command's work in so much time; 0 is no limit.
func (app *App) within(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, release := app.stoppable(ctx, limit)
	defer release()
	if file, ok := app.Streams.In.(*os.File); ok {
		app.Streams.In = interruptible{ctx, file}
	}
	err := do(ctx)
	switch cause := context.Cause(ctx); {
	case cause != nil && !errors.Is(cause, context.DeadlineExceeded):
		return cause
	case err == nil && app.printer.failed:
		return ErrPartial
	case err != nil && cause != nil:
		return fmt.Errorf("%w (after %s)", context.DeadlineExceeded, limit)
	}
	return err
}

// stoppable returns the context for a command that has so much time; 0 is no limit.
func (app *App) stoppable(parent context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	var deadline time.Time
	if limit > 0 {
		deadline = time.Now().Add(limit)
	}
	until := func(ctx context.Context) context.Context { return ctx }
	if app.Streams.UntilSignal != nil {
		survive()
		until = app.Streams.UntilSignal
	}
	ctx := newStoppable(parent, deadline, until)
	return ctx, ctx.release
}

// Print writes a record to stdout.
func (app *App) Print(v any) error {
	app.bar.clear()
	return app.printer.print(v)
}

// Failed reports whether an error record took the place of a record.
func (app *App) Failed() bool { return app.printer.failed }

// WriteError writes the final error record to stderr. Where stderr is closed the exit code still tells.
func (app *App) WriteError(problem record.Error) {
	app.bar.clear()
	if line, err := (&printer{}).encode(problem); err == nil {
		_, _ = app.Streams.Err.Write(line)
	}
}

// Close ends what the run has opened.
func (app *App) Close() error {
	var errs []error
	if app.network != nil {
		errs = append(errs, app.network.Close())
	}
	if app.presence != nil {
		errs = append(errs, app.presence.Close())
	}
	return errors.Join(errs...)
}

// Now is this machine's time.
func (app *App) Now() time.Time {
	if app.Streams.Now != nil {
		return app.Streams.Now()
	}
	return time.Now()
}

// stamp is the time for what is sealed: the network's, as far as it is known.
func (app *App) stamp() time.Time {
	if app.network != nil {
		return app.network.Now()
	}
	return app.Now()
}

func (app *App) OpenKeystore(ctx context.Context) (*keystore.Store, error) {
	if app.homeless != nil {
		return nil, app.homeless
	}
	return keystore.Open(ctx, app.KeystoreDir, app.unlock(), app.keystoreOptions())
}

func (app *App) keystoreOptions() keystore.Options {
	return keystore.Options{LockTimeout: app.lockTimeout, CommitHook: app.Streams.CommitHook}
}

// CreateKeystore opens the keystore, making it if there is none.
func (app *App) CreateKeystore(ctx context.Context) (*keystore.Store, error) {
	if app.homeless != nil {
		return nil, app.homeless
	}
	return keystore.Create(ctx, app.KeystoreDir, app.unlock(), app.keystoreOptions())
}

// RestoreKeystore makes a keystore from a backup.
func (app *App) RestoreKeystore(ctx context.Context, backup io.Reader) (*keystore.Store, error) {
	if app.homeless != nil {
		return nil, app.homeless
	}
	return keystore.Restore(ctx, app.KeystoreDir, backup, app.unlock(), app.keystoreOptions())
}

// Environment is what accounts of this run take from outside.
func (app *App) Environment() account.Environment {
	if app.presence == nil {
		app.presence = presence.In(filepath.Join(app.KeystoreDir, "live"))
	}
	return account.Environment{
		Now: app.Now, Stamp: app.stamp, Random: rand.Reader,
		Owner: app.presence.Name(), Announce: app.presence.Announce, Look: app.presence.Look,
	}
}

// OpenAccount opens the account that the flags name, or the only one.
func (app *App) OpenAccount(ctx context.Context) (*account.Account, error) {
	if app.homeless != nil {
		return nil, app.homeless
	}
	return account.OpenIn(ctx, app.KeystoreDir, app.unlock(), app.keystoreOptions(), app.Environment(), app.AccountName)
}

// OpenNetwork opens the network that the flags name, or the running devnet.
func (app *App) OpenNetwork() (*network.Client, error) {
	if app.network != nil {
		return app.network, nil
	}
	found, err := app.ResolveNetwork()
	if err != nil {
		return nil, err
	}
	config, err := app.networkConfig(found)
	if err != nil {
		return nil, err
	}
	client, err := network.New(config)
	if err != nil {
		return nil, err
	}
	app.network = client
	return client, nil
}

// OpenRouter opens account and network.
func (app *App) OpenRouter(ctx context.Context, options route.Options) (*account.Account, *route.Router, error) {
	client, err := app.OpenNetwork()
	if err != nil {
		return nil, nil, err
	}
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return nil, nil, err
	}
	options.Log = app.Log
	return a, route.New(a, client, options), nil
}
