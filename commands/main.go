// Package commands is the command line: one file per command. The constructor newX makes the specification and fills an
// options struct from the flags. The function runX(ctx, app, opts) does the work with the packages of lib. There is no
// protocol and no network code here.
//
// Scripts rely on this: stdout has records only, one JSON value per line. Only filters read stdin. A failure ends with
// one error record as the last line on stderr, and the exit code is the kind of the failure.
package commands

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/configcmd"
	"sessiontool/commands/internal/contactcmd"
	"sessiontool/commands/internal/devnetcmd"
	"sessiontool/commands/internal/docgen"
	"sessiontool/commands/internal/identitycmd"
	"sessiontool/commands/internal/networkcmd"
	"sessiontool/commands/internal/plumbing"
	"sessiontool/commands/internal/receivecmd"
	"sessiontool/commands/internal/tracecmd"
	"sessiontool/lib/record"
)

// Streams is where a run reads and writes.
type Streams = cli.Streams

// newRootCommand makes the root command, and the commands that args need: see addCommands.
func newRootCommand(app *cli.App, args []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "sessiontool",
		Short: "Script the Session messenger: JSON in, JSON out",
		Long: "sessiontool sends and receives Session messages, and takes the system apart step by step:\n" +
			"identities, swarms, proof of work, onion requests, friend requests, service nodes.\n\n" +
			"Records go to stdout, one JSON value per line. Everything for people goes to stderr.\n\n" +
			"New here? 'sessiontool demo' shows it at work, and 'sessiontool guide' says what to type for which task.",
		Example: "  sessiontool demo\n" +
			"  sessiontool devnet up --detach\n" +
			"  sessiontool keygen --account alice --display-name Alice",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
	}
	showVersion := false
	root.Flags().BoolVarP(&showVersion, "version", "V", false, "print the version, as 'sessiontool version' does")
	root.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > 0:
			return cli.UnknownCommand(cmd, args[0])
		case !showVersion:
			return cli.UsageError(errors.New("which command? see 'sessiontool --help', or 'sessiontool guide'"))
		}
		return app.RunAtOnce(func([]string) error { return runVersion(app) })(cmd, args)
	}
	app.Specify(root, cli.Spec{Prints: []string{record.TypeVersion}})
	root.SetOut(app.Streams.Out)
	root.SetErr(app.Streams.Err)
	root.SetIn(app.Streams.In)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		app.Unwritten = docgen.WriteHelp(app.Streams.Out, cmd, app.SpecOf(cmd))
	})
	root.SetFlagErrorFunc(cli.FlagProblem)
	app.AddGlobalFlags(root.PersistentFlags())
	root.CompletionOptions.DisableDefaultCmd = true
	addCommands(root, app, args)
	help := newHelpCommand(app)
	root.SetHelpCommand(help)
	root.AddCommand(help)
	wrapArgs(root)
	return root
}

// System returns the process's own streams and signals.
func System() Streams { return cli.System() }

// Main runs the program with these arguments and streams, and returns its exit code.
func Main(args []string, streams cli.Streams) int {
	return run(context.Background(), args, streams)
}

// run is Main within a context. Everything that it starts has ended when it returns.
func run(ctx context.Context, args []string, streams cli.Streams) int {
	app := cli.New(streams)
	app.Version = version
	root := newRootCommand(app, args)
	root.SetArgs(args)
	if len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		completeFlags(app, root)
	}
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = app.Unwritten
	}
	if closeErr := app.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		return record.ExitOK
	}
	problem := cli.Describe(err)
	app.WriteError(problem)
	return problem.ExitCode
}

// topCommand is the name of a command and its constructor.
type topCommand struct {
	name string
	make func(*cli.App) *cobra.Command
}

func topCommands() []topCommand {
	return []topCommand{
		{"keygen", identitycmd.NewKeygen},
		{"identity", identitycmd.NewIdentity},
		{"device", identitycmd.NewDevice},
		{"friend-request", newFriendRequestCommand},
		{"contact", contactcmd.New},
		{"send", newSendCommand},
		{"poll", receivecmd.NewPoll},
		{"listen", receivecmd.NewListen},
		{"ack", receivecmd.NewAck},
		{"inbox", newInboxCommand},
		{"outbox", newOutboxCommand},
		{"swarm", plumbing.NewSwarm},
		{"envelope", plumbing.NewEnvelope},
		{"transcript", plumbing.NewTranscript},
		{"pow", plumbing.NewPow},
		{"prekey", identitycmd.NewPrekey},
		{"onion", plumbing.NewOnion},
		{"trace", tracecmd.New},
		{"network", networkcmd.New},
		{"node", devnetcmd.NewNode},
		{"devnet", devnetcmd.NewDevnet},
		{"demo", newDemoCommand},
		{"doctor", newDoctorCommand},
		{"clock", newClockCommand},
		{"config", configcmd.New},
		{"schema", newSchemaCommand},
		{"errors", newErrorsCommand},
		{"completion", newCompletionCommand},
		{"version", newVersionCommand},
	}
}

// addCommands adds the command that args begin with, or all commands if args begin with none, as in a call for help.
// Making all of them takes a good part of the time of a short command.
func addCommands(root *cobra.Command, app *cli.App, args []string) {
	commands := topCommands()
	if len(args) > 0 && (args[0] == "--version" || args[0] == "-V") {
		return
	}
	if len(args) > 0 {
		asked := func(c topCommand) bool { return c.name == args[0] }
		if i := slices.IndexFunc(commands, asked); i >= 0 {
			root.AddCommand(commands[i].make(app))
			return
		}
	}
	for _, c := range commands {
		root.AddCommand(c.make(app))
	}
	root.AddCommand(docgen.Topics()...)
}

// wrapArgs makes errors about arguments usage errors, for cmd and all commands below it.
func wrapArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return cli.UsageError(err)
			}
			return nil
		}
	}
	for _, child := range cmd.Commands() {
		wrapArgs(child)
	}
}
