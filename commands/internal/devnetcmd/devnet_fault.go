package devnetcmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet"
	"sessiontool/lib/record"
)

// newDevnetFaultCommand makes 'devnet fault'.
func newDevnetFaultCommand(app *cli.App, where *devnetFlags) *cobra.Command {
	return cli.Parent("fault", "Make things go wrong in the running devnet", "",
		newDevnetFaultSetCommand(app, where),
		newDevnetFaultClearCommand(app, where),
		newDevnetFaultListCommand(app, where),
	)
}

// addFaultNodes adds the flag that names the nodes of a fault.
func addFaultNodes(flags *pflag.FlagSet, nodes *[]string) {
	flags.StringSliceVar(nodes, "node", nil, "Ed25519 keys of nodes, or their numbers from 0, or all (default all)")
}

// refuseEmpty refuses an empty --node and a --share or --group of 0: an unset variable of a script must not select all
// nodes or all requests.
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

// withDevnet calls do with a connection to the running devnet that the flags name.
func withDevnet(ctx context.Context, app *cli.App, where *devnetFlags, do func(remote *devnet.Remote) error) error {
	note, err := findDevnet(ctx, app, where)
	if err != nil {
		return err
	}
	remote, err := devnet.Connect(note.Dir)
	if err != nil {
		return err
	}
	return do(remote)
}

// printFaults prints the faults that were set or cleared before err, and returns err.
func printFaults(app *cli.App, faults []devnet.NodeFault, active bool, err error) error {
	for _, fault := range faults {
		out := record.Fault{
			Type: record.TypeFault, Kind: string(fault.Kind), Index: fault.Index, PubkeyEd25519: fault.PubkeyEd25519,
			Active: active, Requests: fault.Requests, Share: fault.Share, Group: fault.Group,
			DelayMS: milliseconds(fault.Delay), JitterMS: milliseconds(fault.Jitter), SkewMS: milliseconds(fault.Skew),
		}
		if err := app.Print(out); err != nil {
			return err
		}
	}
	return err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
