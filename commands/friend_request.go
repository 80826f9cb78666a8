package commands

import (
	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
)

func newFriendRequestCommand(app *cli.App) *cobra.Command {
	return cli.Parent("friend-request", "Send, list, accept and decline friend requests", "",
		newFriendRequestSendCommand(app),
		newFriendRequestListCommand(app),
		newFriendRequestAcceptCommand(app),
		newFriendRequestDeclineCommand(app),
	)
}
