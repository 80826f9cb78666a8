package commands

import (
	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
)

func newConfigCommand(app *cli.App) *cobra.Command {
	return cli.Parent("config", "Show the settings and where they come from", "",
		newConfigShowCommand(app),
		newConfigPathCommand(app),
	)
}
