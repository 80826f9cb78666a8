// Package cli is the shell around every command: streams and records, settings, errors and exit codes, signals, input,
// passphrases, logging, progress, and the account and network that the flags name. It knows no command.
package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sessiontool/commands/internal/progress"
	"sessiontool/keystore"
	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/network"
	"sessiontool/lib/presence"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
	"sessiontool/lib/schema"
)

// App is one run of the program: its streams, its global settings, and the account and network that it opened.
type App struct {
	Streams Streams
	printer *printer
	bar     *progress.Bar
	Log     *slog.Logger // of this run; discards everything before the settings are known

	KeystoreDir string // --keystore, or its default
	AccountName string // --account; empty for the only account
	networkName string
	timeout     time.Duration
	parallel    int // --parallel
	lockTimeout time.Duration
	proxy       proxySetting
	output      string // of --output
	keep        string
	Kept        inbox.Kept // --keep
	passphrase  PassphraseFlags
	logging     logFlags
	origins     map[string]Origin // by name of the setting
	Unwritten   error             // of the help that --help asked for
	homeless    error             // there is no folder for a keystore; commands that need none run all the same

	Version string // of the program, for traces
	tracing tracing

	specs    map[*cobra.Command]Spec
	presence *presence.Presence
	network  *network.Client
	routers  []*route.Router

	running    *stoppable // context of the command, nil before it runs
	unfinished bool       // see LeaveUnfinished

	writeNothing bool // see WriteNothing
}

// New returns a run with these streams and the default settings.
func New(streams Streams) *App {
	streams.Out, streams.Err = steady(streams.Out, streams.OutFile, 0), steady(streams.Err, streams.ErrFile, errorGrace)
	return &App{
		Streams: streams, bar: progress.New(streams.Err),
		printer: &printer{out: streams.Out, err: streams.Err, terminal: streams.OutIsTerminal},
		Log:     slog.New(slog.DiscardHandler), specs: make(map[*cobra.Command]Spec),
		timeout: defaultTimeout, lockTimeout: keystore.DefaultLockTimeout, parallel: defaultParallel,
	}
}

// AddGlobalFlags adds the flags that every command has.
func (app *App) AddGlobalFlags(flags *pflag.FlagSet) {
	flags.StringVar(&app.KeystoreDir, "keystore", "", "folder of the keystore (default: in the user's data folder)")
	flags.StringVar(&app.AccountName, "account", "", "account in the keystore (default: the only one)")
	flags.StringVar(&app.networkName, "network", "",
		"name, file or seed URL of the network, mainnet or testnet (default: the running devnet)")
	flags.DurationVar(&app.timeout, "timeout", defaultTimeout, "give up after this time, in a batch after this time without progress, or never if it is 0")
	refuse(flags, "timeout", func() error {
		if app.timeout < 0 {
			return errors.New("a time must not be negative")
		}
		return nil
	})
	flags.IntVar(&app.parallel, "parallel", defaultParallel,
		"how many items of a batch are under way in the network at one time")
	refuse(flags, "parallel", func() error {
		if app.parallel < 1 || app.parallel > maxParallel {
			return fmt.Errorf("not within 1 and %d", maxParallel)
		}
		return nil
	})
	flags.DurationVar(&app.lockTimeout, "lock-timeout", keystore.DefaultLockTimeout,
		"how long to wait for the keystore's lock")
	refuse(flags, "lock-timeout", func() error {
		if app.lockTimeout <= 0 {
			return errors.New("a time to wait must be positive")
		}
		return nil
	})
	flags.Var(&app.proxy, "proxy",
		"connect to seeds and nodes through socks5h://HOST:PORT, http://HOST:PORT or https://HOST:PORT, or none\n"+
			"(default: HTTPS_PROXY or ALL_PROXY)")
	flags.StringVar(&app.keep, "keep", "",
		"received records to keep: a number, or a time such as 720h (default all)")
	refuse(flags, "keep", func() (err error) {
		app.Kept, err = parseKept(app.keep)
		return err
	})
	flags.StringVar(&app.output, "output", outputJSON, "json, or human for lines and tables that people read")
	refuse(flags, "output", func() error {
		if app.output != outputJSON && app.output != outputHuman {
			return errors.New("neither json nor human")
		}
		return nil
	})
	flags.BoolVar(&app.printer.pretty, "pretty", false, "indent records")
	flags.StringVar(&app.printer.path, "select", "",
		"print only what this gjson path selects of each record; a text can be several lines")
	flags.StringVar(&app.printer.path0, "select0", "",
		"like --select, with a NUL instead of a newline behind each, as for xargs -0")
	flags.BoolVar(&app.tracing.keep, "trace-journal", false,
		"keep the way of each message in a journal beside the keystore, for 'sessiontool trace'")
	app.logging.add(flags)
	app.passphrase.add(flags)
}

// parseKept reads the value of --keep.
func parseKept(text string) (kept inbox.Kept, err error) {
	if text == "" {
		return kept, nil
	}
	if kept.Count, err = strconv.Atoi(text); err != nil {
		kept.For, err = time.ParseDuration(text)
	}
	if err != nil || kept.Count < 0 || kept.For < 0 || kept.All() {
		return inbox.Kept{}, errors.New("neither a number nor a time such as 720h")
	}
	return kept, nil
}

// defaultTimeout is long enough for a proof of work and for a few dead nodes on the way.
const defaultTimeout = 2 * time.Minute

// The default and the bound of --parallel. The default makes a thousand messages to nodes far away a matter of twelve
// seconds; with much more, a batch of storage RPC 2.0 without any distance would need more than 64 MiB.
const (
	defaultParallel = 48
	maxParallel     = 1024
)

// Prepare sets the global settings from flags, then environment, then config file, then defaults. It returns an error
// if the command delivers messages and there is no stdout.
func (app *App) Prepare(cmd *cobra.Command) error {
	return app.prepare(cmd, func() error { return app.applySettings(cmd.Flags()) })
}

// prepare is Prepare with the work that sets the settings.
func (app *App) prepare(cmd *cobra.Command, settings func() error) (err error) {
	if app.SpecOf(cmd).Delivers && app.Streams.OutClosed {
		return errOutputClosed
	}
	if err := checkEmpty(cmd.Flags()); err != nil {
		return err
	}
	if app.printer.path != "" && app.printer.path0 != "" {
		return UsageError(errors.New("--select and --select0 exclude each other"))
	}
	if err := app.checkSelect(cmd); err != nil {
		return err
	}
	if err := settings(); err != nil {
		return err
	}
	app.chooseOutput()
	if app.KeystoreDir == "" {
		app.KeystoreDir, app.homeless = dataDir(app.Streams.Env)
	}
	app.Log, err = app.logging.logger(visibleWriter{app.Streams.Err})
	return err
}

// checkSelect returns an error if the path of --select or --select0 is not one of the records that a command prints: it
// would print nothing, and yet count messages as delivered.
func (app *App) checkSelect(cmd *cobra.Command) error {
	flag, selected := "--select", app.printer.path
	if selected == "" {
		flag, selected = "--select0", app.printer.path0
	}
	kinds := app.SpecOf(cmd).Prints
	if selected == "" || len(kinds) == 0 {
		return nil
	}
	if err := schema.CheckPath(kinds, selected); err != nil {
		return UsageError(fmt.Errorf("%s %q: %w in what this command prints: %s", flag, selected, err,
			strings.Join(kinds, ", ")))
	}
	return nil
}

// Action is the work of a command once its flags are parsed.
type Action func(ctx context.Context, args []string) error

// Run adapts an action to cobra. --timeout bounds its time, or that of each step of a batch.
func (app *App) Run(do Action) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := app.Prepare(cmd); err != nil {
			return err
		}
		return app.within(cmd.Context(), app.timeout, func(ctx context.Context) error { return do(ctx, args) })
	}
}

// RunUntilStopped is Run for commands that run until a signal stops them. Only a --timeout that was set bounds them.
func (app *App) RunUntilStopped(do Action) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := app.Prepare(cmd); err != nil {
			return err
		}
		limit := app.timeout
		if app.origins["timeout"].Kind == OriginDefault {
			limit = 0
		}
		return app.within(cmd.Context(), limit, func(ctx context.Context) error {
			ctx.Done() // listens for signals from the start: see stoppable
			if !app.SpecOf(cmd).Delivers {
				return do(ctx, args)
			}
			return app.WhileRead(ctx, func(ctx context.Context) error { return do(ctx, args) })
		})
	}
}

// RunAtOnce is Run for commands that only print what the program knows. They need no settings, so they work although
// the config file or a variable is wrong. They end before a signal matters, and save the time that listening for signals
// takes.
func (app *App) RunAtOnce(do func(args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := app.prepare(cmd, func() error { return nil }); err != nil {
			return err
		}
		if app.Streams.UntilSignal != nil {
			survive()
		}
		return app.printer.flushAfter(do(args))
	}
}

// RunDespite is Run for commands without arguments that work although the settings are wrong. do gets the problem, or
// nil.
func (app *App) RunDespite(do func(ctx context.Context, problem error) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		problem := app.Prepare(cmd)
		return app.within(cmd.Context(), app.timeout, func(ctx context.Context) error { return do(ctx, problem) })
	}
}

// within runs do, for at most limit; 0 is no limit. It returns the signal or the timeout that ended ctx, or ErrPartial
// if an error record was printed.
func (app *App) within(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, release := app.stoppable(ctx, limit)
	defer release()
	until(ctx, app.Streams.Out)
	until(ctx, app.Streams.Err)
	if file, ok := app.Streams.In.(*os.File); ok {
		app.Streams.In = interruptible{ctx, file}
	}
	err := app.printer.flushAfter(app.writeTraces(do(app.traced(ctx))))
	cause := context.Cause(ctx)
	if cause != nil {
		app.LeaveUnfinished()
	}
	switch {
	case cause != nil && !errors.Is(cause, context.DeadlineExceeded):
		return sameQueue(cause, err)
	case err == nil && app.printer.failed && !app.printer.lasting:
		app.LeaveUnfinished()
		return errPartialTemporary
	case err == nil && app.printer.failed:
		return ErrPartial
	case err != nil && cause != nil:
		return timedOut(limit, err)
	}
	return err
}

// stoppable returns the context of a command: a signal ends it, and limit without progress unless that is 0.
func (app *App) stoppable(parent context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	until := func(ctx context.Context) context.Context { return ctx }
	if app.Streams.UntilSignal != nil {
		survive()
		until = app.Streams.UntilSignal
	}
	app.running = newStoppable(parent, limit, until)
	return app.running, app.running.release
}

// Advance starts the time of --timeout anew, after a part of a batch is done.
func (app *App) Advance() {
	if app.running != nil {
		app.running.progress()
	}
}

// LeaveUnfinished makes the end of this run look like a crash to later runs: what it reported may be asked for again by
// a rerun of the same command. It is for a batch that did not come to its end.
func (app *App) LeaveUnfinished() { app.unfinished = true }

// WriteNothing makes this run leave what is remembered of the network as it is.
func (app *App) WriteNothing() { app.writeNothing = true }

// Print writes a record to stdout.
func (app *App) Print(v any) error {
	app.bar.Clear()
	app.spillTraces()
	return app.printer.print(v)
}

// Encode returns the line of a record as Print writes it, without --select and --pretty.
func (app *App) Encode(v any) ([]byte, error) { return (&printer{}).encode(v) }

// PrintPartial is Print for a record that reports that something is missing: the command ends with ErrPartial.
func (app *App) PrintPartial(v any) error {
	app.printer.fail()
	return app.Print(v)
}

// Failed reports whether an error record took the place of a record.
func (app *App) Failed() bool { return app.printer.failed }

// WriteError writes the final error record to stderr. It ignores errors: if stderr is closed, the exit code remains.
func (app *App) WriteError(problem record.Error) {
	app.bar.Clear()
	if app.origins == nil && app.Streams.Env != nil {
		app.chooseOutput() // the command line was refused before the settings were read
	}
	if app.printer.people != nil {
		_, _ = io.WriteString(app.Streams.Err, app.printer.people.Problem(problem))
		return
	}
	if line, err := (&printer{}).encode(problem); err == nil {
		_, _ = app.Streams.Err.Write(line)
	}
}

// Close closes what the run has opened.
func (app *App) Close() error {
	var errs []error
	for _, router := range app.routers {
		errs = append(errs, router.Close())
	}
	if app.network != nil {
		errs = append(errs, app.network.Close())
	}
	switch {
	case app.presence == nil:
	case app.unfinished:
		errs = append(errs, app.presence.Abandon())
	default:
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

// OpenKeystore opens the keystore in KeystoreDir.
func (app *App) OpenKeystore(ctx context.Context) (*keystore.Store, error) {
	if app.homeless != nil {
		return nil, app.homeless
	}
	return keystore.Open(ctx, app.KeystoreDir, app.unlock(), app.keystoreOptions())
}

func (app *App) keystoreOptions() keystore.Options {
	return keystore.Options{LockTimeout: app.lockTimeout, CommitHook: app.Streams.CommitHook, Disk: app.Streams.Disk}
}

// CreateKeystore opens the keystore, and makes it if there is none.
func (app *App) CreateKeystore(ctx context.Context) (*keystore.Store, error) {
	if app.homeless != nil {
		return nil, app.homeless
	}
	return keystore.Create(ctx, app.KeystoreDir, app.unlock(), app.keystoreOptions())
}

// CreateThrowAway makes a keystore for one run, in dir, which must be empty or absent, or in a temporary folder if dir
// is empty. remove deletes a temporary one, which has a random passphrase that is not kept. One in dir opens as new
// keystores of the user do.
func (app *App) CreateThrowAway(
	ctx context.Context,
	dir string,
) (store *keystore.Store, remove func() error, err error) {
	if dir != "" {
		files, err := os.ReadDir(dir)
		if err == nil && len(files) > 0 {
			return nil, nil, UsageError(fmt.Errorf("the folder %s is not empty", dir))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
		store, err = keystore.Create(ctx, dir, app.unlock(), app.keystoreOptions())
		return store, func() error { return nil }, err
	}
	if dir, err = os.MkdirTemp("", "sessiontool-"); err != nil {
		return nil, nil, err
	}
	remove = func() error { return os.RemoveAll(dir) }
	secret := rand.Text()
	passphrase := func(context.Context) ([]byte, error) { return []byte(secret), nil }
	store, err = keystore.Create(ctx, dir, keystore.Unlock{Passphrase: passphrase}, app.keystoreOptions())
	if err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	return store, remove, nil
}

// RestoreKeystore makes a keystore from a backup.
func (app *App) RestoreKeystore(ctx context.Context, backup io.Reader) (*keystore.Store, error) {
	if app.homeless != nil {
		return nil, app.homeless
	}
	return keystore.Restore(ctx, app.KeystoreDir, backup, app.unlock(), app.keystoreOptions())
}

// Environment returns the clock, the randomness and the presence files that accounts of this run use.
func (app *App) Environment() account.Environment {
	if app.presence == nil {
		app.presence = presence.In(filepath.Join(app.KeystoreDir, "live"))
	}
	return account.Environment{
		Now: app.Now, Stamp: app.stamp, Random: rand.Reader,
		Keep: app.Kept, Owner: app.presence.Name(), Announce: app.presence.Announce, StateOf: app.presence.State,
	}
}

// OpenAccount opens the account that --account names, or the only one.
func (app *App) OpenAccount(ctx context.Context) (*account.Account, error) {
	if app.homeless != nil {
		return nil, app.homeless
	}
	a, err := account.OpenIn(ctx, app.KeystoreDir, app.unlock(), app.keystoreOptions(), app.Environment(), app.AccountName)
	if err == nil {
		app.openJournal(a.JournalKey())
	}
	return a, err
}

// OpenNetwork opens the network that --network names, or the running devnet. Later calls return the same client.
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
	if app.Streams.Network != nil {
		app.Streams.Network(&config)
	}
	client, err := network.New(config)
	if err != nil {
		return nil, err
	}
	app.network = client
	return client, nil
}

// OpenRouter opens account and network, and makes a router for them.
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
	router := route.New(a, client, options)
	app.routers = append(app.routers, router)
	return a, router, nil
}
