package devnetcmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet"
	"sessiontool/lib/record"
	"sessiontool/lib/swarm"
)

type devnetStatusOptions struct {
	*devnetFlags
	nodes bool
}

func newDevnetStatusCommand(app *cli.App, where *devnetFlags) *cobra.Command {
	opts := &devnetStatusOptions{devnetFlags: where}
	cmd := app.Command(cli.Spec{
		Use:   "status",
		Short: "Print the running devnet's network record, and how its nodes are",
		Long: "Print the network record of the running devnet. With --nodes a node_status record for each of its nodes\n" +
			"follows: health, messages and bytes, the version as which it presents itself, and its faults.\n\n" +
			"Health is ok; syncing while changes are on their way to other members of its swarm; starting until it\n" +
			"knows its swarm; stopped, by a fault; or failed if it did not start with the network.",
		Examples: []string{"sessiontool devnet status", "sessiontool devnet status --nodes --select '{index,health,messages}'"},
		Prints:   []string{record.TypeNetwork, record.TypeNodeStatus},
		Exits:    cli.Exits{record.ExitNotFound: "no devnet runs"},
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runDevnetStatus(ctx, app, opts) }),
	})
	cmd.Flags().BoolVar(&opts.nodes, "nodes", false, "print a record for each node, too")
	return cmd
}

// runDevnetStatus prints the network record of a devnet with its present status.
func runDevnetStatus(ctx context.Context, app *cli.App, opts *devnetStatusOptions) error {
	note, err := findDevnet(ctx, app, opts.devnetFlags)
	if err != nil {
		return err
	}
	remote, err := devnet.Connect(note.Dir)
	if err != nil {
		return err
	}
	status, err := remote.Status(ctx)
	if err != nil {
		return err
	}
	if err := app.Print(note.WithStatus(status)); err != nil || !opts.nodes {
		return err
	}
	states, err := remote.States(ctx)
	if err != nil {
		return err
	}
	for _, state := range states {
		if err := app.Print(nodeStatus(state)); err != nil {
			return err
		}
	}
	return nil
}

// nodeStatus returns the record of a node's state.
func nodeStatus(state devnet.NodeState) record.NodeStatus {
	out := record.NodeStatus{
		Type: record.TypeNodeStatus, Index: state.Index, PubkeyEd25519: state.PubkeyEd25519, IP: state.IP,
		Port: int(state.Port), Version: state.Version, Health: health(state), Messages: state.Messages,
		Bytes: state.Bytes, MaxBytes: state.MaxBytes, Pending: state.Pending, Listeners: state.Listeners,
		Faults: make([]string, len(state.Faults)), Error: state.Failed,
	}
	if id := swarm.SwarmID(state.SwarmID); id != swarm.NoSwarm {
		out.SwarmID = id.String()
	}
	if state.MaxBytes > 0 {
		out.Fill = float64(state.Bytes) / float64(state.MaxBytes)
	}
	for i, kind := range state.Faults {
		out.Faults[i] = string(kind)
	}
	return out
}

// health sums up the state of a node in a word.
func health(state devnet.NodeState) string {
	switch {
	case state.Running && state.Ready && state.Settled:
		return "ok"
	case state.Running && state.Ready:
		return "syncing"
	case state.Running:
		return "starting"
	case state.Failed != "":
		return "failed"
	}
	return "stopped"
}
