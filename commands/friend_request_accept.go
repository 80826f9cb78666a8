package commands

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/drafts"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
)

type friendRequestAcceptOptions struct {
	drafts.StoreFlags
	names []string // Session IDs or request ids; none for those of stdin
}

func newFriendRequestAcceptCommand(app *cli.App) *cobra.Command {
	opts := &friendRequestAcceptOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "accept [ID...]",
		Short: "Accept friend requests, by Session ID, name or request id",
		Long: "Accept friend requests: start the encrypted sessions, if the requests are of protocol signal, and\n" +
			"notify the senders. A signal request that is older than a week, or than this keystore, is answered\n" +
			"with a request, since its prekeys may be gone; the answer to that makes friends. The receipt has the\n" +
			"warning old_request then.\n\n" +
			"Without an ID they are read from stdin: strings, or records with an id.",
		Examples: []string{
			"sessiontool friend-request accept $ALICE",
			"sessiontool friend-request list | sessiontool friend-request accept",
		},
		Reads:  []string{record.TypeFriendRequest},
		Prints: []string{record.TypeReceipt},
		Needs:  cli.Account | cli.Network,
		Exits: cli.Exits{
			record.ExitNotFound: "no such request",
			record.ExitRefused:  "",
			record.ExitClock:    "",
		},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.names = args
			return runFriendRequestAccept(ctx, app, opts)
		}),
	})
	opts.StoreFlags.Add(cmd.Flags())
	return cmd
}

func runFriendRequestAccept(ctx context.Context, app *cli.App, opts *friendRequestAcceptOptions) error {
	options, err := opts.StoreFlags.Options(app)
	if err != nil {
		return err
	}
	var a *account.Account
	var router *route.Router
	return app.EachName(opts.names, func(name string) (err error) {
		if a == nil {
			if a, router, err = app.OpenRouter(ctx, options); err != nil {
				return err
			}
		}
		if name, err = requestName(ctx, app, a, name); err != nil {
			return err
		}
		out, err := a.Accept(ctx, name)
		if err != nil {
			return err
		}
		return drafts.SendOutgoing(ctx, app, a, router, out)
	})
}
