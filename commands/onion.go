package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/network"
	"sessiontool/lib/record"
	"sessiontool/lib/rpc"
)

func newOnionCommand(app *cli.App) *cobra.Command {
	var to string
	path := app.Command(cli.Spec{
		Use:      "path",
		Short:    "Print the hops that an onion request would take",
		Long:     "Choose an onion path: a guard, which stays the same from run to run, and two relays.",
		Examples: []string{"sessiontool onion path"},
		Args:     cobra.NoArgs,
		Prints:   []string{record.TypePath},
		Exits:    cli.NetworkExits(),
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runOnionPath(ctx, app, to) }),
	})
	path.Flags().StringVar(&to, "to", "", "Ed25519 key of the target, which is then not in the path")
	send := app.Command(cli.Spec{
		Use:   "send [-]",
		Short: "Send storage RPC requests through onion paths",
		Long: "Send each request to a node through three hops and print its answer. Without a node a random one is\n" +
			"taken. The answer's status is the node's; a status other than 200 is an answer, not an error.",
		Examples: []string{"echo '{\"method\":\"get_snodes_for_pubkey\",\"params\":{\"pubKey\":\"'$BOB'\"}}' | sessiontool onion send"},
		Reads:    []string{record.NameCall},
		Prints:   []string{record.TypeResponse},
		Exits: cli.Exits{
			record.ExitPartial:   "",
			record.ExitNotFound:  "no such node, or no network",
			record.ExitTemporary: "the network does not answer",
		},
		Run: app.Run(func(ctx context.Context, args []string) error { return runOnionSend(ctx, app, args) }),
	})
	return cli.Parent("onion", "Choose onion paths and send requests through them", "", path, send)
}

func runOnionPath(ctx context.Context, app *cli.App, to string) error {
	var target network.Key
	if to != "" {
		if err := target.UnmarshalText([]byte(to)); err != nil {
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
	return app.Print(record.Path{Type: record.TypePath, Guard: hops[0].Ed25519.String(), Hops: nodeRecords(hops)})
}

func runOnionSend(ctx context.Context, app *cli.App, args []string) error {
	if err := cli.OnlyDash(args); err != nil {
		return err
	}
	return cli.Filter(app, func(in record.Call) error {
		if in.Method == "" {
			return fmt.Errorf("%w: the request has no method", cli.ErrBadInput)
		}
		client, err := app.OpenNetwork()
		if err != nil {
			return err
		}
		target, err := chooseTarget(ctx, client, in.Node)
		if err != nil {
			return err
		}
		if in.Params == nil {
			in.Params = map[string]any{}
		}
		body, err := rpc.NewRequest(in.Method, in.Params)
		if err != nil {
			return err
		}
		started := time.Now()
		answer, err := client.Request(ctx, target, body)
		if err != nil {
			return err
		}
		out := record.Response{
			Type: record.TypeResponse, Node: target.Ed25519.String(), Path: []string{}, Status: answer.Status,
			Body: rawJSON(answer.Body), Millis: time.Since(started).Milliseconds(), Ref: in.Ref,
		}
		for _, hop := range answer.Path {
			out.Path = append(out.Path, hop.Ed25519.String())
		}
		return app.Print(out)
	})
}

// chooseTarget finds the registered node with a key in hex, or takes a random one.
func chooseTarget(ctx context.Context, client *network.Client, key string) (network.Node, error) {
	nodes, err := client.Nodes(ctx)
	if err != nil {
		return network.Node{}, err
	}
	if key == "" {
		return client.Shuffle(nodes)[0], nil
	}
	var wanted network.Key
	if err := wanted.UnmarshalText([]byte(key)); err != nil {
		return network.Node{}, fmt.Errorf("%w: node: %v", cli.ErrBadInput, err)
	}
	if node, ok := client.Node(wanted); ok {
		return node, nil
	}
	return network.Node{}, cli.ErrNodeNotFound
}
