package plumbing

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage/rpc28"
)

type swarmExpireOptions struct {
	ttl    time.Duration
	hashes []string // none for those of stdin
}

func newSwarmExpireCommand(app *cli.App) *cobra.Command {
	opts := &swarmExpireOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "expire --ttl TIME [HASH...]",
		Short: "Change how long stored messages of the account are kept, with storage RPC 2.8",
		Long: "Make messages in the account's own swarm expire --ttl from now: earlier or later than they would,\n" +
			"but not later than in 30 days.\n\n" +
			"Hashes are strings, or records with a message_hash. For every 100 of them one record shows what each\n" +
			"member of the swarm has signed to have done. Storage RPC 2.0 has no such request.",
		Examples: []string{
			"export SESSIONTOOL_NETWORK=phones.json; sessiontool swarm retrieve | sessiontool swarm expire --ttl 720h",
		},
		Reads:  []string{record.TypeEnvelope, record.TypeMessage},
		Prints: []string{record.TypeChange},
		Needs:  cli.Account | cli.Network,
		Exits: cli.Exits{
			record.ExitUsage:   "not a hash, or a bad --ttl",
			record.ExitRefused: "the network has storage RPC 2.0",
			record.ExitClock:   "",
		},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.hashes = args
			return runSwarmExpire(ctx, app, opts)
		}),
	})
	cmd.Flags().DurationVar(&opts.ttl, "ttl", 0, "how long from now, at most 720h")
	return cmd
}

func runSwarmExpire(ctx context.Context, app *cli.App, opts *swarmExpireOptions) error {
	if opts.ttl <= 0 || opts.ttl > rpc28.MaxPrivateTTL {
		return cli.UsageError(fmt.Errorf("--ttl %v is not within 1ms and %v", opts.ttl, rpc28.MaxPrivateTTL))
	}
	expire := func(ctx context.Context, router *route.Router, hashes []string) (mailbox.Change, error) {
		return router.Expire(ctx, hashes, opts.ttl)
	}
	return changeMessages(ctx, app, opts.hashes, expire)
}
