package devnetcmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet"
	"sessiontool/lib/record"
)

type devnetFaultSetOptions struct {
	*devnetFlags
	nodes []string // none for all
	fault devnet.Fault
}

func newDevnetFaultSetCommand(app *cli.App, where *devnetFlags) *cobra.Command {
	opts := &devnetFaultSetOptions{devnetFlags: where}
	cmd := app.Command(cli.Spec{
		Use:   "set KIND",
		Short: "Make something go wrong with nodes of the running devnet",
		Long: "Make something go wrong with some nodes or all, until it is cleared or the devnet ends. A fault\n" +
			"takes the place of an earlier one of the same kind at the same node. The kinds and their settings:\n\n" +
			"  stop         the node does not run, but stays listed, as after a crash\n" +
			"               With 'devnet up --like' the same as vanish\n" +
			"  vanish       the node's machine is gone: connections to it hang, open ones too\n" +
			"  restart      the node stops and starts again\n" +
			"  hang         a --share of requests gets no answer before the fault is cleared; connections stay open\n" +
			"  drop         a --share of requests gets no answer; the connection is cut, after --delay if given\n" +
			"  delay        a --share of requests waits for --delay, and up to --jitter more\n" +
			"  loss         a --share of the packets of its connections is lost. They are sent again as TCP does, after\n" +
			"               200 ms, 400 ms and so on, or after 1 s, 2 s and so on while a connection opens\n" +
			"  partition    the nodes reach only those of the same --group; nodes without this fault are group 0.\n" +
			"               Clients reach them all\n" +
			"  skew         the node's clock is ahead by --skew, or behind if that is negative\n" +
			"  wrong-swarm  a --share of storage requests is answered with the nodes of another swarm, status 421\n" +
			"  corrupt      a --share of answers arrives damaged\n" +
			"  drop-answers a --share of requests is served, but the answer is lost\n" +
			"  no-method    the node lacks a method of the storage RPC: the one that --requests names, else listen\n" +
			"               and deliver, like nodes of 2020\n\n" +
			"hang, drop, delay, corrupt and drop-answers can be narrowed to some --requests: with 'drop\n" +
			"--requests peer' messages no longer spread within swarms. A method of the storage RPC means requests\n" +
			"that the node itself is asked, directly or in an onion: with 'drop-answers --requests deliver'\n" +
			"acknowledgements of the synchronous route get lost. Nodes that joined the devnet from outside are\n" +
			"not affected.\n\n" +
			"Each node gets a record.",
		Examples: []string{
			"sessiontool devnet fault set drop --node 3 --share 0.2",
			"sessiontool devnet fault set delay --delay 200ms --jitter 50ms",
			"sessiontool devnet fault set loss --share 5% --node 3",
			"sessiontool devnet fault set drop --requests peer",
			"sessiontool devnet fault set drop-answers --requests deliver",
			"sessiontool devnet fault set partition --node 0,1,2",
		},
		Prints:   []string{record.TypeFault},
		Exits:    cli.Exits{record.ExitNotFound: "no devnet runs, or it has no such node"},
		Complete: completeFaults,
		PreRun:   func(cmd *cobra.Command) error { return refuseEmpty(cmd.Flags()) },
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.fault.Kind = devnet.FaultKind(args[0])
			return runDevnetFaultSet(ctx, app, opts)
		}),
	})
	cmd.Flags().Var((*shareValue)(&opts.fault.Share), "share",
		"share of requests or packets, as 0.05 or 5%, more than 0 and at most 1 (default 1 for requests)")
	cmd.Flags().StringVar(&opts.fault.Requests, "requests", "",
		"only storage, onion, peer (between nodes) or stats requests, or a method like deliver (default all)")
	cmd.Flags().DurationVar(&opts.fault.Delay, "delay", 0, "how long requests wait")
	cmd.Flags().DurationVar(&opts.fault.Jitter, "jitter", 0, "how much longer they wait, at random")
	cmd.Flags().DurationVar(&opts.fault.Skew, "skew", 0, "how far the clock is ahead")
	cmd.Flags().IntVar(&opts.fault.Group, "group", 0, "group of a partition (default 1)")
	addFaultNodes(cmd.Flags(), &opts.nodes)
	return cmd
}

func runDevnetFaultSet(ctx context.Context, app *cli.App, opts *devnetFaultSetOptions) error {
	return withDevnet(ctx, app, opts.devnetFlags, func(remote *devnet.Remote) error {
		done, err := remote.SetFault(ctx, opts.nodes, opts.fault)
		return printFaults(app, done, opts.fault.Kind != devnet.FaultRestart, err)
	})
}
