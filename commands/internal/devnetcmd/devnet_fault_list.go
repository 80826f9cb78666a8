package devnetcmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet"
	"sessiontool/lib/record"
)

func newDevnetFaultListCommand(app *cli.App, where *devnetFlags) *cobra.Command {
	return app.Command(cli.Spec{
		Use:      "list",
		Short:    "Print what goes wrong in the running devnet",
		Long:     "Print a fault record for each fault of each node, and nothing if all is well.",
		Examples: []string{"sessiontool devnet fault list"},
		Prints:   []string{record.TypeFault},
		Exits:    cli.Exits{record.ExitNotFound: "no devnet runs"},
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runDevnetFaultList(ctx, app, where) }),
	})
}

func runDevnetFaultList(ctx context.Context, app *cli.App, opts *devnetFlags) error {
	return withDevnet(ctx, app, opts, func(remote *devnet.Remote) error {
		faults, err := remote.Faults(ctx)
		return printFaults(app, faults, true, err)
	})
}
