package commands

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/account"
	"sessiontool/lib/envelope"
	"sessiontool/lib/network"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
	"sessiontool/lib/rpc"
	"sessiontool/lib/sessionid"
)

func newSwarmCommand(app *cli.App) *cobra.Command {
	lookup := app.Command(cli.Spec{
		Use:   "lookup [ID...]",
		Short: "Ask which nodes keep a Session ID's messages",
		Long: "Ask a random service node, through an onion path, for the swarm of each Session ID.\n\n" +
			"Without an ID they are read from stdin: strings, or records with a session_id.",
		Examples: []string{
			"sessiontool swarm lookup $BOB",
			"sessiontool identity list | sessiontool swarm lookup",
		},
		Reads:  []string{record.TypeIdentity, record.TypeContact},
		Prints: []string{record.TypeSwarm},
		Exits: cli.NetworkExits().With(cli.Exits{
			record.ExitUsage:   "not a Session ID",
			record.ExitPartial: "",
		}),
		Run: app.Run(func(ctx context.Context, args []string) error { return runSwarmLookup(ctx, app, args) }),
	})
	nodes := app.Command(cli.Spec{
		Use:      "nodes",
		Short:    "Print a node record for every registered service node",
		Examples: []string{"sessiontool swarm nodes --select pubkey_ed25519"},
		Args:     cobra.NoArgs,
		Prints:   []string{record.TypeNode},
		Exits:    cli.NetworkExits(),
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runSwarmNodes(ctx, app) }),
	})
	store := &storeFlags{}
	storeCmd := app.Command(cli.Spec{
		Use:   "store [-]",
		Short: "Store envelopes in their recipients' swarms",
		Long: "Store each envelope at three random nodes of its recipient's swarm. If the network asks for more proof of\n" +
			"work than the envelope has, it is solved again; an envelope without a nonce is solved first.",
		Examples: []string{"sessiontool envelope seal --to $BOB --text hello | sessiontool pow solve | sessiontool swarm store"},
		Reads:    []string{record.TypeEnvelope},
		Prints:   []string{record.TypeReceipt},
		Exits: cli.NetworkExits().With(cli.Exits{
			record.ExitPartial: "",
			record.ExitRefused: "",
			record.ExitClock:   "",
		}),
		Run: app.Run(func(ctx context.Context, args []string) error { return runSwarmStore(ctx, app, store, args) }),
	})
	store.add(storeCmd.Flags())
	retrieve := app.Command(cli.Spec{
		Use:   "retrieve",
		Short: "Print the envelopes that the account's swarm holds",
		Long: "Ask three random nodes of the account's own swarm for all they hold, and print each message once, as it\n" +
			"is: 'envelope open' opens them. Nothing is marked as read.",
		Examples: []string{"sessiontool swarm retrieve | sessiontool envelope open"},
		Args:     cobra.NoArgs,
		Prints:   []string{record.TypeEnvelope},
		Exits:    cli.RouteExits().With(cli.Exits{record.ExitClock: ""}),
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runSwarmRetrieve(ctx, app) }),
	})
	return cli.Parent("swarm", "Look up, check and draw swarms, list nodes, store, retrieve and change envelopes", "",
		lookup, nodes, newCheckCommand(app), newMapCommand(app), storeCmd, retrieve,
		newDeleteCommand(app), newExpireCommand(app))
}

func runSwarmLookup(ctx context.Context, app *cli.App, args []string) error {
	var client *network.Client
	return app.EachName(args, func(name string) error {
		id, err := sessionid.Parse(name)
		if err != nil {
			return err
		}
		if client == nil {
			if client, err = app.OpenNetwork(); err != nil {
				return err
			}
		}
		members, err := client.LookupSwarm(ctx, id)
		if err != nil {
			return err
		}
		out := record.Swarm{Type: record.TypeSwarm, SessionID: id.String(), Nodes: nodeRecords(members)}
		out.SwarmID = out.Nodes[0].SwarmID
		return app.Print(out)
	})
}

func runSwarmNodes(ctx context.Context, app *cli.App) error {
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
	for _, node := range nodes {
		out := nodeRecord(node)
		out.Type = record.TypeNode
		if err := app.Print(out); err != nil {
			return err
		}
	}
	return nil
}

func runSwarmStore(ctx context.Context, app *cli.App, store *storeFlags, args []string) error {
	if err := cli.OnlyDash(args); err != nil {
		return err
	}
	options, err := store.options(app)
	if err != nil {
		return err
	}
	options.Log = app.Log
	var router *route.Router
	return cli.Filter(app, func(in record.Envelope) error {
		request, err := storeRequest(in)
		if err != nil {
			return err
		}
		if router == nil {
			client, err := app.OpenNetwork()
			if err != nil {
				return err
			}
			router = route.New(nil, client, options)
		}
		generation, err := router.Generation(ctx)
		if err != nil {
			return err
		}
		if in.TTLMillis > generation.MaxTTLMillis() {
			return fmt.Errorf("%w: ttl_ms %d is more than the network allows", cli.ErrBadTTL, in.TTLMillis)
		}
		receipt, err := router.Store(ctx, request)
		if err != nil {
			return err
		}
		receipt.Ref = in.Ref
		return app.Print(receipt)
	})
}

// storeRequest checks an envelope record that shall be stored.
func storeRequest(in record.Envelope) (route.StoreRequest, error) {
	switch {
	case in.DataBase64 == "":
		return route.StoreRequest{}, fmt.Errorf("%w: the envelope has no data_base64", cli.ErrBadInput)
	case in.TTLMillis < account.MinTTL || in.TTLMillis > rpc.GenerationToday.MaxTTLMillis():
		return route.StoreRequest{}, fmt.Errorf("%w: ttl_ms %d", cli.ErrBadTTL, in.TTLMillis)
	case in.TimestampMS <= 0:
		return route.StoreRequest{}, fmt.Errorf("%w: timestamp_ms is not positive", cli.ErrBadInput)
	}
	return powRequest(in)
}

// powRequest checks an envelope record as far as proof of work needs it: other networks have other limits.
func powRequest(in record.Envelope) (route.StoreRequest, error) {
	to, err := sessionid.Parse(in.To)
	if err != nil {
		return route.StoreRequest{}, err
	}
	switch {
	case len(in.DataBase64) > rpc.MaxDataBytes:
		return route.StoreRequest{}, fmt.Errorf("%w: data_base64 has %d characters", envelope.ErrTooLarge, len(in.DataBase64))
	case in.TTLMillis < 0 || in.TimestampMS < 0:
		return route.StoreRequest{}, fmt.Errorf("%w: ttl_ms or timestamp_ms is negative", cli.ErrBadInput)
	}
	return route.StoreRequest{
		To: to, TTLMillis: in.TTLMillis, StampMS: in.TimestampMS, Data: in.DataBase64, Nonce: in.Nonce, Difficulty: in.Difficulty,
	}, nil
}

func runSwarmRetrieve(ctx context.Context, app *cli.App) error {
	a, router, err := app.OpenRouter(ctx, route.Options{})
	if err != nil {
		return err
	}
	seen := make(map[string]bool)
	return router.Retrieve(ctx, route.RetrieveOptions{}, func(_ network.Node, page []rpc.Stored) error {
		for _, stored := range page {
			if seen[stored.Hash] {
				continue
			}
			seen[stored.Hash] = true
			if err := app.Print(storedRecord(a, stored)); err != nil {
				return err
			}
		}
		return nil
	})
}

// storedRecord describes a stored message. Its timestamp is the envelope's own, where it can be read; the time to
// live is what follows from that and the expiration.
func storedRecord(a *account.Account, stored rpc.Stored) record.Envelope {
	out := record.Envelope{
		Type: record.TypeEnvelope, To: a.ID().String(), DataBase64: stored.Data, MessageHash: stored.Hash,
		ExpirationMS: stored.Expiration,
	}
	if env, err := envelope.Unpack(stored.Data); err == nil {
		out.TimestampMS = int64(env.TimestampMS)
		out.TTLMillis = max(stored.Expiration-out.TimestampMS, 0)
	}
	return out
}

// rawJSON returns text as JSON if it is, else as a string.
func rawJSON(text string) any {
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return text
}
