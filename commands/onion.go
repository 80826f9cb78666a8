package commands

import (
	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
)

func newOnionCommand(app *cli.App) *cobra.Command {
	return cli.Parent("onion", "Choose onion paths and send requests through them", "",
		newOnionPathCommand(app),
		newOnionSendCommand(app),
	)
}
