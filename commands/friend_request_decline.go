package commands

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
)

type friendRequestDeclineOptions struct {
	names []string // Session IDs or request ids; none for those of stdin
}

func newFriendRequestDeclineCommand(app *cli.App) *cobra.Command {
	opts := &friendRequestDeclineOptions{}
	return app.Command(cli.Spec{
		Use:   "decline [ID...]",
		Short: "Forget friend requests, without notifying the senders",
		Long: "Forget friend requests, found by Session ID, name or request id. The senders do not learn of it. What\n" +
			"they send from then on is neither printed nor kept, until you write to them, name them with 'contact\n" +
			"add', or take it back with 'contact unblock'.\n\n" +
			"Without an ID they are read from stdin: strings, or records with an id.",
		Examples: []string{"sessiontool friend-request decline $ALICE"},
		Reads:    []string{record.TypeFriendRequest},
		Prints:   []string{record.TypeFriendRequest},
		Needs:    cli.Account,
		Exits:    cli.Exits{record.ExitNotFound: "no such request"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.names = args
			return runFriendRequestDecline(ctx, app, opts)
		}),
	})
}

func runFriendRequestDecline(ctx context.Context, app *cli.App, opts *friendRequestDeclineOptions) error {
	var a *account.Account
	return app.EachName(opts.names, func(name string) (err error) {
		if a == nil {
			if a, err = app.OpenAccount(ctx); err != nil {
				return err
			}
		}
		if name, err = requestName(ctx, app, a, name); err != nil {
			return err
		}
		declined, err := a.Decline(ctx, name)
		if err != nil {
			return err
		}
		return app.Print(render.FriendRequest(a, declined))
	})
}
