package networkcmd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/network"
	"sessiontool/lib/network/listing"
	"sessiontool/lib/record"
)

// maxList bounds the size of a file in bytes: 20 000 nodes, as a seed lists them.
const maxList = 32 << 20

func newImportCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "import FILE",
		Short: "Use a list of service nodes from a file while no seed answers",
		Long: "Read a list of service nodes from a file (- reads stdin), for a machine that cannot reach the seeds. The\n" +
			"file is what 'sessiontool swarm nodes' prints on a machine that can, or the answer of a seed to\n" +
			"get_n_service_nodes. The seeds are still asked first; their list replaces an imported one. A list of fewer\n" +
			"than four nodes, which make no onion path, is refused, and the list that is kept stays.\n\n" +
			"Such a list has no signature: the author of the file chooses which nodes you talk to, and sees who\n" +
			"writes when to which Session ID. What you write stays encrypted. Take it from a source that you trust.\n" +
			"Until the seeds answer, 'network show' and doctor say that nobody vouches for the list, records of swarms,\n" +
			"nodes and paths have node_list \"import\", and receipts the warning imported_list.",
		Examples: []string{"sessiontool swarm nodes | sessiontool network import --keystore copy -"},
		Prints:   []string{record.TypeNodeList},
		Exits: cli.Exits{
			record.ExitUsage:    "not a list of service nodes, or one of fewer than four",
			record.ExitNotFound: "no network is named or runs",
		},
		Run: app.Run(func(ctx context.Context, args []string) error { return runImport(ctx, app, args[0]) }),
	})
}

func runImport(ctx context.Context, app *cli.App, file string) error {
	data, err := takeList(ctx, app, file)
	if err != nil {
		return err
	}
	nodes, err := listing.Parse(data)
	if err != nil {
		return err
	}
	client, err := app.OpenNetwork()
	if err != nil {
		return err
	}
	before := client.List().Nodes
	if err := client.Import(nodes); errors.Is(err, network.ErrTooFewNodes) {
		return cli.WithCode(listing.Err, err)
	} else if err != nil {
		return err
	}
	if len(nodes) < before {
		app.Log.Warn("the imported list has fewer nodes than the one that it replaces", "nodes", len(nodes), "before", before)
	}
	out, err := nodeList(app, client)
	if err != nil {
		return err
	}
	return app.Print(out)
}

func takeList(ctx context.Context, app *cli.App, file string) ([]byte, error) {
	in := app.Streams.In
	if file != "-" {
		opened, err := cli.OpenInput(ctx, file)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		in = opened
	} else if app.Streams.InIsTerminal {
		return nil, cli.ErrStdinTerminal
	}
	data, err := io.ReadAll(io.LimitReader(in, maxList+1))
	if err == nil && len(data) > maxList {
		err = fmt.Errorf("%w: it has more than %d bytes", listing.Err, maxList)
	}
	return data, err
}
