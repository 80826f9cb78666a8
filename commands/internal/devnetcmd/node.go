package devnetcmd

import (
	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
)

// NewNode makes the command node.
func NewNode(app *cli.App) *cobra.Command {
	return cli.Parent("node", "Run a service node, or repair its folder", "",
		newNodeRunCommand(app),
		newNodeRepairCommand(app),
	)
}
