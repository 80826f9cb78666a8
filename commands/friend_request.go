package commands

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/who"
	"sessiontool/lib/account"
	"sessiontool/lib/account/addressbook"
)

func newFriendRequestCommand(app *cli.App) *cobra.Command {
	return cli.Parent("friend-request", "Send, list, accept and decline friend requests", "",
		newFriendRequestSendCommand(app),
		newFriendRequestListCommand(app),
		newFriendRequestAcceptCommand(app),
		newFriendRequestDeclineCommand(app),
	)
}

// requestName returns the name under which the account finds a request: the Session ID that a name of the user's stands
// for, or what was given.
func requestName(ctx context.Context, app *cli.App, a *account.Account, given string) (string, error) {
	if addressbook.CheckName(given) != nil {
		return strings.ToLower(given), nil
	}
	id, err := who.New(app, a).ID(ctx, given)
	return id.String(), err
}
