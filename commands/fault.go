package commands

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet"
	"sessiontool/lib/record"
)

// newFaultCommand makes 'devnet fault'.
func newFaultCommand(app *cli.App, opts *devnetOptions) *cobra.Command {
	fault := &devnet.Fault{}
	var nodes []string
	set := app.Command(cli.Spec{
		Use:   "set KIND",
		Short: "Make something go wrong with nodes of the running devnet",
		Long: "Make something go wrong with some nodes or all, until it is cleared or the devnet ends. A fault takes the place\n" +
			"of an earlier one of the same kind at the same node. The kinds and their settings:\n\n" +
			"  stop         the node does not run, but stays listed, as after a crash\n" +
			"               With 'devnet up --like' the same as vanish\n" +
			"  vanish       the node's machine is gone: connections to it hang, open ones too\n" +
			"  restart      the node stops and starts again\n" +
			"  hang         a --share of requests gets no answer before the fault is cleared; connections stay open\n" +
			"  drop         a --share of requests gets no answer; the connection is cut, after --delay if given\n" +
			"  delay        a --share of requests waits for --delay, and up to --jitter more\n" +
			"  partition    the nodes reach only those of the same --group; nodes without this fault are group 0.\n" +
			"               Clients reach them all\n" +
			"  skew         the node's clock is ahead by --skew, or behind if that is negative\n" +
			"  wrong-swarm  a --share of storage requests is referred to the nodes of another swarm, with status 421\n" +
			"  corrupt      a --share of answers arrives damaged\n" +
			"  drop-answers a --share of requests is served, but the answer is lost\n" +
			"  no-method    the node lacks a method of the storage RPC: the one that --requests names, else listen and\n" +
			"               deliver, like nodes of 2020\n\n" +
			"hang, drop, delay, corrupt and drop-answers can be narrowed to some --requests: with 'drop --requests peer' messages no\n" +
			"longer spread within swarms. A method of the storage RPC means requests that the node itself is asked, directly or\n" +
			"in an onion: with 'drop-answers --requests deliver' acknowledgements of the synchronous route get lost. Nodes that\n" +
			"joined the devnet from outside are not affected.\n\n" +
			"Each node gets a record.",
		Examples: []string{
			"sessiontool devnet fault set drop --node 3 --share 0.2",
			"sessiontool devnet fault set delay --delay 200ms --jitter 50ms",
			"sessiontool devnet fault set drop --requests peer",
			"sessiontool devnet fault set drop-answers --requests deliver",
			"sessiontool devnet fault set partition --node 0,1,2",
		},
		Args:   cobra.ExactArgs(1),
		Prints: []string{record.TypeFault},
		Exits:  cli.Exits{record.ExitNotFound: "no devnet runs, or it has no such node"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			fault.Kind = devnet.FaultKind(args[0])
			return withDevnet(app, opts, func(remote *devnet.Remote) error {
				done, err := remote.SetFault(ctx, nodes, *fault)
				return printFaults(app, done, fault.Kind != devnet.FaultRestart, err)
			})
		}),
	})
	set.Flags().Float64Var(&fault.Share, "share", 0, "share of requests, more than 0 and at most 1 (default 1)")
	set.Flags().StringVar(&fault.Requests, "requests", "",
		"only storage, onion, peer (between nodes) or stats requests, or a method like deliver (default all)")
	set.Flags().DurationVar(&fault.Delay, "delay", 0, "how long requests wait")
	set.Flags().DurationVar(&fault.Jitter, "jitter", 0, "how much longer they wait, at random")
	set.Flags().DurationVar(&fault.Skew, "skew", 0, "how far the clock is ahead")
	set.Flags().IntVar(&fault.Group, "group", 0, "group of a partition (default 1)")
	clearCmd := app.Command(cli.Spec{
		Use:   "clear [KIND...]",
		Short: "Take faults back",
		Long: "Take back the faults of these kinds, or all. Nodes that were stopped run again.\n\n" +
			"Each fault that is over gets a record.",
		Examples: []string{
			"sessiontool devnet fault clear",
			"sessiontool devnet fault clear drop delay --node 3",
		},
		Prints: []string{record.TypeFault},
		Exits:  cli.Exits{record.ExitNotFound: "no devnet runs, or it has no such node"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			kinds := make([]devnet.FaultKind, len(args))
			for i, arg := range args {
				kinds[i] = devnet.FaultKind(arg)
			}
			return withDevnet(app, opts, func(remote *devnet.Remote) error {
				done, err := remote.ClearFaults(ctx, nodes, kinds...)
				return printFaults(app, done, false, err)
			})
		}),
	})
	for _, cmd := range []*cobra.Command{set, clearCmd} {
		cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return refuseEmpty(cmd.Flags()) }
		cmd.ValidArgsFunction = completeFaults
		cmd.Flags().StringSliceVar(&nodes, "node", nil, "Ed25519 keys of nodes, or their numbers from 0, or all (default all)")
	}
	list := app.Command(cli.Spec{
		Use:      "list",
		Short:    "Print what goes wrong in the running devnet",
		Long:     "Print a fault record for each fault of each node, and nothing if all is well.",
		Examples: []string{"sessiontool devnet fault list"},
		Args:     cobra.NoArgs,
		Prints:   []string{record.TypeFault},
		Exits:    cli.Exits{record.ExitNotFound: "no devnet runs"},
		Run: app.Run(func(ctx context.Context, _ []string) error {
			return withDevnet(app, opts, func(remote *devnet.Remote) error {
				faults, err := remote.Faults(ctx)
				return printFaults(app, faults, true, err)
			})
		}),
	})
	return cli.Parent("fault", "Make things go wrong in the running devnet", "",
		set,
		clearCmd,
		list,
	)
}

// refuseEmpty refuses settings of a fault that are given, but as if they were not: a script whose variable is empty, or
// whose share has come down to 0, does not want to disturb everything.
func refuseEmpty(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(flag *pflag.Flag) {
		switch value := flag.Value.String(); {
		case flag.Name == "node" && value == "[]":
			err = cli.UsageError(errors.New("--node names no node"))
		case (flag.Name == "share" || flag.Name == "group") && value == "0":
			err = cli.UsageError(fmt.Errorf("--%s must not be 0", flag.Name))
		}
	})
	return err
}

// completeFaults proposes the kinds of faults.
func completeFaults(*cobra.Command, []string, string) (kinds []string, _ cobra.ShellCompDirective) {
	for _, kind := range devnet.FaultKinds {
		kinds = append(kinds, string(kind))
	}
	return kinds, cobra.ShellCompDirectiveNoFileComp
}

// newDifficultyCommand makes 'devnet difficulty'.
func newDifficultyCommand(app *cli.App, opts *devnetOptions) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "difficulty N",
		Short: "Change the proof of work that the running devnet asks for",
		Long: "Make all nodes ask for this difficulty from now on; nodes that joined from outside follow within seconds. Clients\n" +
			"learn it from the nodes, and messages on their way between nodes stay good, as with the servers of 2020.",
		Examples: []string{"sessiontool devnet difficulty 10"},
		Args:     cobra.ExactArgs(1),
		Prints:   []string{record.TypeNetwork},
		Exits:    cli.Exits{record.ExitNotFound: "no devnet runs"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			difficulty, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || difficulty < 1 {
				return cli.UsageError(fmt.Errorf("difficulty %q is not a positive number", args[0]))
			}
			note, err := findDevnet(app, opts)
			if err != nil {
				return err
			}
			remote, err := devnet.Connect(note.Dir)
			if err != nil {
				return err
			}
			status, err := remote.SetDifficulty(ctx, uint64(difficulty))
			if err != nil {
				return err
			}
			return app.Print(note.WithStatus(status))
		}),
	})
}

// withDevnet hands over a connection to the running devnet that the flags name.
func withDevnet(app *cli.App, opts *devnetOptions, do func(remote *devnet.Remote) error) error {
	note, err := findDevnet(app, opts)
	if err != nil {
		return err
	}
	remote, err := devnet.Connect(note.Dir)
	if err != nil {
		return err
	}
	return do(remote)
}

// printFaults prints what was done before err, if anything went wrong, and returns err.
func printFaults(app *cli.App, faults []devnet.NodeFault, active bool, err error) error {
	for _, fault := range faults {
		out := record.Fault{
			Type: record.TypeFault, Kind: string(fault.Kind), Index: fault.Index, PubkeyEd25519: fault.PubkeyEd25519,
			Active: active, Requests: fault.Requests, Share: fault.Share, Group: fault.Group, DelayMS: milliseconds(fault.Delay),
			JitterMS: milliseconds(fault.Jitter), SkewMS: milliseconds(fault.Skew),
		}
		if err := app.Print(out); err != nil {
			return err
		}
	}
	return err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
