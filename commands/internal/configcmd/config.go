// Package configcmd contains the commands about settings and the config file: config.
package configcmd

import (
	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
)

// New makes the command config.
func New(app *cli.App) *cobra.Command {
	return cli.Parent("config", "Show the settings and where they come from, and change the config file", "",
		newShowCommand(app),
		newPathCommand(app),
		newSetCommand(app),
		newUnsetCommand(app),
	)
}
