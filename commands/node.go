package commands

import (
	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
)

func newNodeCommand(app *cli.App) *cobra.Command {
	return cli.Parent("node", "Run a service node", "",
		newNodeRunCommand(app),
	)
}
