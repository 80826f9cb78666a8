package plumbing

import (
	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
)

// NewOnion makes the command onion.
func NewOnion(app *cli.App) *cobra.Command {
	return cli.Parent("onion", "Choose onion paths and send requests through them", "",
		newOnionPathCommand(app),
		newOnionSendCommand(app),
	)
}
