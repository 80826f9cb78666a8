package plumbing

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/commands/internal/who"
	"sessiontool/lib/network"
	"sessiontool/lib/record"
)

type swarmLookupOptions struct {
	ids []string // none for those of stdin
}

func newSwarmLookupCommand(app *cli.App) *cobra.Command {
	opts := &swarmLookupOptions{}
	return app.Command(cli.Spec{
		Use:   "lookup [ID...]",
		Short: "Look up the swarm of a Session ID",
		Long: "Ask a random service node, through an onion path, for the swarm of each Session ID.\n\n" +
			"Without an ID they are read from stdin: strings, or records with a session_id.",
		Examples: []string{
			"sessiontool swarm lookup $BOB",
			"sessiontool identity list | sessiontool swarm lookup",
		},
		Reads:  []string{record.TypeIdentity, record.TypeContact},
		Prints: []string{record.TypeSwarm},
		Needs:  cli.Network,
		Exits:  cli.Exits{record.ExitUsage: "neither a Session ID nor a possible name"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.ids = args
			return runSwarmLookup(ctx, app, opts)
		}),
	})
}

func runSwarmLookup(ctx context.Context, app *cli.App, opts *swarmLookupOptions) error {
	var client *network.Client
	finder := who.New(app, nil)
	return app.EachNameAhead(ctx, opts.ids, func(name string) (cli.Task, error) {
		id, err := finder.ID(ctx, name)
		if err != nil {
			return nil, err
		}
		if client == nil {
			if client, err = app.OpenNetwork(); err != nil {
				return nil, err
			}
		}
		return func(ctx context.Context) (any, error) {
			members, err := client.LookupSwarm(ctx, id)
			if err != nil {
				return nil, err
			}
			out := record.Swarm{Type: record.TypeSwarm, SessionID: id.String(), Nodes: render.Nodes(members)}
			out.SwarmID, out.NodeList = out.Nodes[0].SwarmID, render.ListMark(client)
			return out, nil
		}, nil
	})
}
