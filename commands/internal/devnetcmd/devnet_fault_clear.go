package devnetcmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet"
	"sessiontool/lib/record"
)

type devnetFaultClearOptions struct {
	*devnetFlags
	nodes []string           // none for all
	kinds []devnet.FaultKind // none for all
}

func newDevnetFaultClearCommand(app *cli.App, where *devnetFlags) *cobra.Command {
	opts := &devnetFaultClearOptions{devnetFlags: where}
	cmd := app.Command(cli.Spec{
		Use:   "clear [KIND...]",
		Short: "Take faults back",
		Long: "Take back the faults of these kinds, or all. Nodes that were stopped run again.\n\n" +
			"Each fault that is over gets a record.",
		Examples: []string{
			"sessiontool devnet fault clear",
			"sessiontool devnet fault clear drop delay --node 3",
		},
		Prints:   []string{record.TypeFault},
		Exits:    cli.Exits{record.ExitNotFound: "no devnet runs, or it has no such node"},
		Complete: completeFaults,
		PreRun:   func(cmd *cobra.Command) error { return refuseEmpty(cmd.Flags()) },
		Run: app.Run(func(ctx context.Context, args []string) error {
			for _, arg := range args {
				opts.kinds = append(opts.kinds, devnet.FaultKind(arg))
			}
			return runDevnetFaultClear(ctx, app, opts)
		}),
	})
	addFaultNodes(cmd.Flags(), &opts.nodes)
	return cmd
}

func runDevnetFaultClear(ctx context.Context, app *cli.App, opts *devnetFaultClearOptions) error {
	return withDevnet(ctx, app, opts.devnetFlags, func(remote *devnet.Remote) error {
		done, err := remote.ClearFaults(ctx, opts.nodes, opts.kinds...)
		return printFaults(app, done, false, err)
	})
}
