package commands

import (
	"context"
	"strings"

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
		Use:      "decline [ID...]",
		Short:    "Forget friend requests, without notifying the senders",
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
	return app.EachName(opts.names, func(name string) error {
		if a == nil {
			var err error
			if a, err = app.OpenAccount(ctx); err != nil {
				return err
			}
		}
		declined, err := a.Decline(ctx, strings.ToLower(name))
		if err != nil {
			return err
		}
		return app.Print(render.FriendRequest(a, declined))
	})
}
