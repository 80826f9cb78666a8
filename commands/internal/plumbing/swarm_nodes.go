package plumbing

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/record"
)

func newSwarmNodesCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:      "nodes",
		Short:    "Print a node record for every registered service node",
		Examples: []string{"sessiontool swarm nodes --select pubkey_ed25519"},
		Prints:   []string{record.TypeNode},
		Needs:    cli.Network,
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runSwarmNodes(ctx, app) }),
	})
}

func runSwarmNodes(ctx context.Context, app *cli.App) error {
	client, err := app.OpenNetwork()
	if err != nil {
		return err
	}
	if err := client.Refresh(ctx); err != nil && (ctx.Err() != nil || client.List().Nodes == 0) {
		return err
	}
	nodes, err := client.Nodes(ctx)
	if err != nil {
		return err
	}
	for _, node := range nodes {
		out := render.Node(node)
		out.Type, out.NodeList = record.TypeNode, render.ListMark(client)
		if err := app.Print(out); err != nil {
			return err
		}
	}
	return nil
}
