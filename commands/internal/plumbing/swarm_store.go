package plumbing

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/drafts"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
	"sessiontool/lib/storage"
)

func newSwarmStoreCommand(app *cli.App) *cobra.Command {
	opts := &drafts.StoreFlags{}
	cmd := app.Command(cli.Spec{
		Use:   "store [-]",
		Short: "Store envelopes in their recipients' swarms",
		Long: "Store each envelope at three random nodes of its recipient's swarm. If the network asks for more\n" +
			"proof of work than the envelope has, it is solved again; an envelope without a nonce is solved\n" +
			"first.",
		Examples: []string{
			"sessiontool envelope seal --to $BOB --text hello | sessiontool pow solve | sessiontool swarm store",
		},
		Reads:  []string{record.TypeEnvelope},
		Prints: []string{record.TypeReceipt},
		Needs:  cli.Network,
		Exits:  cli.Exits{record.ExitRefused: "", record.ExitClock: ""},
		Run:    app.Run(func(ctx context.Context, _ []string) error { return runSwarmStore(ctx, app, opts) }),
	})
	opts.Add(cmd.Flags())
	return cmd
}

func runSwarmStore(ctx context.Context, app *cli.App, opts *drafts.StoreFlags) error {
	options, err := opts.Options(app)
	if err != nil {
		return err
	}
	options.Log, options.Cores = app.Log, drafts.Cores(options)
	var storer *route.Storer
	return cli.FilterAhead(ctx, app, app.Parallel(), func(in record.Envelope) (cli.Task, error) {
		request, err := storeRequest(in)
		if err != nil {
			return nil, err
		}
		if storer == nil {
			client, err := app.OpenNetwork()
			if err != nil {
				return nil, err
			}
			storer = route.NewStorer(client, options)
		}
		generation, err := storer.Generation(ctx)
		if err != nil {
			return nil, err
		}
		if in.TTLMillis > generation.MaxTTLMillis() {
			return nil, fmt.Errorf("%w: ttl_ms %d is more than the network allows", cli.ErrBadTTL, in.TTLMillis)
		}
		return func(ctx context.Context) (any, error) {
			receipt, err := storer.Store(ctx, request)
			receipt.Ref = in.Ref
			return render.Receipt(receipt), err
		}, nil
	})
}

// storeRequest returns the request that stores an envelope, or what is wrong with the envelope.
func storeRequest(in record.Envelope) (route.StoreRequest, error) {
	switch {
	case in.DataBase64 == "":
		return route.StoreRequest{}, fmt.Errorf("%w: the envelope has no data_base64", cli.ErrBadInput)
	case in.TTLMillis < account.MinTTL || in.TTLMillis > storage.Generation28.MaxTTLMillis():
		return route.StoreRequest{}, fmt.Errorf("%w: ttl_ms %d", cli.ErrBadTTL, in.TTLMillis)
	case in.TimestampMS <= 0:
		return route.StoreRequest{}, fmt.Errorf("%w: timestamp_ms is not positive", cli.ErrBadInput)
	}
	return powRequest(in)
}
