package plumbing

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
	"sessiontool/lib/route/mailbox"
)

type swarmDeleteOptions struct {
	hashes []string // none for those of stdin
}

func newSwarmDeleteCommand(app *cli.App) *cobra.Command {
	opts := &swarmDeleteOptions{}
	return app.Command(cli.Spec{
		Use:   "delete [HASH...]",
		Short: "Delete stored messages of the account, with storage RPC 2.8",
		Long: "Remove messages from the account's own swarm, by their hashes. The inbox keeps what was received.\n\n" +
			"Hashes are strings, or records with a message_hash. For every 100 of them one record shows what each\n" +
			"member of the swarm has signed to have done. Storage RPC 2.0 has no such request.",
		Examples: []string{
			"export SESSIONTOOL_NETWORK=phones.json; sessiontool swarm retrieve | sessiontool swarm delete",
		},
		Reads:  []string{record.TypeEnvelope, record.TypeMessage},
		Prints: []string{record.TypeChange},
		Needs:  cli.Account | cli.Network,
		Exits: cli.Exits{
			record.ExitUsage:   "not a hash",
			record.ExitRefused: "the network has storage RPC 2.0",
			record.ExitClock:   "",
		},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.hashes = args
			return runSwarmDelete(ctx, app, opts)
		}),
	})
}

func runSwarmDelete(ctx context.Context, app *cli.App, opts *swarmDeleteOptions) error {
	remove := func(ctx context.Context, router *route.Router, hashes []string) (mailbox.Change, error) {
		return router.Delete(ctx, hashes)
	}
	return changeMessages(ctx, app, opts.hashes, remove)
}
