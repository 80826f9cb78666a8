package plumbing

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/network"
	"sessiontool/lib/record"
	"sessiontool/lib/storage"
	"sessiontool/lib/trace"
)

func newOnionSendCommand(app *cli.App) *cobra.Command {
	cmd := app.Command(cli.Spec{
		Use:   "send [-]",
		Short: "Send storage RPC requests through onion paths",
		Long: "Send each request to a node through three hops and print its answer. Without a node a random one is\n" +
			"taken. The answer's status is the node's; a status other than 200 is an answer, not an error.",
		Examples: []string{
			"echo '{\"method\":\"get_snodes_for_pubkey\",\"params\":{\"pubKey\":\"'$BOB'\"}}' | sessiontool onion send",
		},
		Reads:  []string{record.NameCall},
		Prints: []string{record.TypeResponse, record.TypeTrace},
		Needs:  cli.Network,
		Exits:  cli.Exits{record.ExitNotFound: "no such node, or no network"},
		Run:    app.Run(func(ctx context.Context, _ []string) error { return runOnionSend(ctx, app) }),
	})
	app.AddTraceFlag(cmd.Flags())
	return cmd
}

func runOnionSend(ctx context.Context, app *cli.App) error {
	return cli.Filter(app, func(in record.Call) error {
		if in.Method == "" {
			return fmt.Errorf("%w: the request has no method", cli.ErrBadInput)
		}
		ctx, span := trace.Begin(ctx, trace.SpanCall, trace.String(trace.KeyMethod, in.Method))
		err := sendCall(ctx, app, in)
		span.End(err)
		return err
	})
}

// sendCall sends one request and prints its answer.
func sendCall(ctx context.Context, app *cli.App, in record.Call) error {
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
	body, err := storage.NewRequest(in.Method, in.Params)
	if err != nil {
		return err
	}
	started := time.Now()
	answer, err := client.Do(ctx, target, network.Call{Name: in.Method, Body: body})
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

// rawJSON returns text as JSON if it is, else as a string.
func rawJSON(text string) any {
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return text
}
