package plumbing

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/record"
	"sessiontool/lib/storage/storagehttp"
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
	err = client.Refresh(ctx)
	if err != nil && (ctx.Err() != nil || errors.Is(err, storagehttp.ErrProxy) || client.List().Nodes == 0) {
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
