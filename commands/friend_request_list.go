package commands

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
)

type friendRequestListOptions struct {
	all bool // completed ones too
}

func newFriendRequestListCommand(app *cli.App) *cobra.Command {
	opts := &friendRequestListOptions{}
	cmd := app.Command(cli.Spec{
		Use:      "list",
		Short:    "Print the friend requests that wait, in both directions",
		Examples: []string{"sessiontool friend-request list"},
		Prints:   []string{record.TypeFriendRequest},
		Needs:    cli.Account,
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runFriendRequestList(ctx, app, opts) }),
	})
	cmd.Flags().BoolVar(&opts.all, "all", false, "completed ones too")
	return cmd
}

func runFriendRequestList(ctx context.Context, app *cli.App, opts *friendRequestListOptions) error {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	requests, err := a.FriendRequests(ctx)
	if err != nil {
		return err
	}
	for _, request := range requests {
		if request.State == account.StateFriends && !opts.all {
			continue
		}
		if err := app.Print(render.FriendRequest(a, request)); err != nil {
			return err
		}
	}
	return nil
}
