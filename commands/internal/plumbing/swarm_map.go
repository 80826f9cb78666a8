package plumbing

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/picture"
	"sessiontool/commands/internal/tracecmd"
	"sessiontool/commands/internal/who"
	"sessiontool/lib/record"
	"sessiontool/lib/swarm"
)

type swarmMapOptions struct {
	out    string
	format string
	check  bool
	trace  string   // a message whose way is drawn
	ids    []string // to mark
}

// newSwarmMapCommand makes 'swarm map'.
func newSwarmMapCommand(app *cli.App) *cobra.Command {
	opts := &swarmMapOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "map [ID...]",
		Short: "Draw the ring of swarms, their nodes and where Session IDs fall",
		Long: "Draw the ring on which swarms and Session IDs have their places, from the seeds' list of nodes, into\n" +
			"a file: as SVG for a browser, or as DOT for Graphviz (neato). '-' reads ids from stdin.\n\n" +
			"With --check every node is asked for its version, directly, and the picture shows which ones answer. Of\n" +
			"a devnet of this user it also shows faults, and how many messages each node holds.\n\n" +
			"With --trace HASH the onion paths are drawn by which a message was sent, as the journal of traces has them: see\n" +
			"'sessiontool trace'. Dashed ones had no answer.",
		Examples: []string{
			"sessiontool swarm map --out ring.svg",
			"sessiontool swarm map $ALICE $BOB --out ring.dot",
			"sessiontool swarm map --check --out ring.svg --select silent_nodes",
			"sessiontool contact list | sessiontool swarm map - --out ring.svg",
		},
		Reads:  []string{record.TypeIdentity, record.TypeContact},
		Prints: []string{record.TypeSwarmMap},
		Needs:  cli.Network,
		Exits:  cli.Exits{record.ExitUsage: "neither a Session ID nor a possible name, or the file cannot be written"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.ids = args
			return runSwarmMap(ctx, app, opts)
		}),
	})
	cmd.Flags().StringVar(&opts.out, "out", "", "file to write (required)")
	cmd.Flags().BoolVar(&opts.check, "check", false, "ask every node whether it answers, and show it")
	cmd.Flags().StringVar(&opts.trace, "trace", "", "message_hash, id or trace_id of a message whose paths are drawn")
	cmd.Flags().StringVar(&opts.format, "format", "", "svg or dot (default: as the file's name ends, else svg)")
	return cmd
}

// draw settles the format and returns what makes it.
func (opts *swarmMapOptions) draw() (func(picture.Ring) []byte, error) {
	switch opts.out {
	case "":
		return nil, cli.UsageError(errors.New("--out is required"))
	case "-":
		return nil, cli.UsageError(errors.New("--out has to be a file: stdout carries records only"))
	}
	if opts.format == "" {
		opts.format = "svg"
		if ending := strings.ToLower(filepath.Ext(opts.out)); ending == ".dot" || ending == ".gv" {
			opts.format = "dot"
		}
	}
	switch opts.format {
	case "svg":
		return picture.Ring.SVG, nil
	case "dot":
		return picture.Ring.DOT, nil
	}
	return nil, cli.UsageError(fmt.Errorf("--format %q is neither svg nor dot", opts.format))
}

func runSwarmMap(ctx context.Context, app *cli.App, opts *swarmMapOptions) error {
	draw, err := opts.draw()
	if err != nil {
		return err
	}
	out := record.SwarmMap{Type: record.TypeSwarmMap, File: opts.out, Format: opts.format, SessionIDs: []string{}, SilentNodes: []string{}}
	var drawing picture.Ring
	if len(opts.ids) > 0 {
		finder := who.New(app, nil)
		err = app.EachName(opts.ids, func(name string) error {
			id, err := finder.ID(ctx, name)
			if err == nil {
				out.SessionIDs = append(out.SessionIDs, id.String())
				mark := picture.RingMark{Name: id.String(), Position: swarm.Position(id.PublicKey())}
				drawing.Marks = append(drawing.Marks, mark)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if opts.trace != "" {
		if drawing.Ways, err = tracecmd.Ways(ctx, app, opts.trace); err != nil {
			return err
		}
		out.Ways = len(drawing.Ways)
	}
	client, err := app.OpenNetwork()
	if err != nil {
		return err
	}
	if err := client.Refresh(ctx); err != nil {
		return err
	}
	nodes, err := client.Nodes(ctx)
	if err != nil {
		return err
	}
	swarms := make(map[swarm.SwarmID]bool)
	for _, node := range nodes {
		drawing.Nodes = append(drawing.Nodes, picture.RingNode{Name: node.Ed25519.String(), Swarm: node.SwarmID})
		if node.SwarmID != swarm.NoSwarm {
			swarms[node.SwarmID] = true
		}
	}
	if opts.check {
		if err := checkNodes(ctx, app, client, nodes, drawing.Nodes); err != nil {
			return err
		}
		for _, node := range drawing.Nodes {
			if node.Health == picture.HealthSilent {
				out.SilentNodes = append(out.SilentNodes, node.Name)
			}
		}
	}
	if err := os.WriteFile(opts.out, draw(drawing), 0o644); err != nil {
		return err
	}
	out.Nodes, out.Swarms = len(nodes), len(swarms)
	return app.Print(out)
}
