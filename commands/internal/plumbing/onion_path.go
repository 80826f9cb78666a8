package plumbing

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/network"
	"sessiontool/lib/record"
)

type onionPathOptions struct {
	to string // Ed25519 key of the target, or empty
}

func newOnionPathCommand(app *cli.App) *cobra.Command {
	opts := &onionPathOptions{}
	cmd := app.Command(cli.Spec{
		Use:      "path",
		Short:    "Print the hops that an onion request would take",
		Long:     "Choose an onion path: a guard, which stays the same from run to run, and two relays.",
		Examples: []string{"sessiontool onion path"},
		Prints:   []string{record.TypePath},
		Needs:    cli.Network,
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runOnionPath(ctx, app, opts) }),
	})
	cmd.Flags().StringVar(&opts.to, "to", "", "Ed25519 key of the target, which is then not in the path")
	return cmd
}

func runOnionPath(ctx context.Context, app *cli.App, opts *onionPathOptions) error {
	var target network.Key
	if opts.to != "" {
		if err := target.UnmarshalText([]byte(opts.to)); err != nil {
			return cli.UsageError(fmt.Errorf("--to: %w", err))
		}
	}
	client, err := app.OpenNetwork()
	if err != nil {
		return err
	}
	hops, err := client.Path(ctx, target)
	if err != nil {
		return err
	}
	return app.Print(record.Path{
		Type: record.TypePath, Guard: hops[0].Ed25519.String(), Hops: render.Nodes(hops),
		NodeList: render.ListMark(client),
	})
}
