package commands

import (
	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
)

func newSwarmCommand(app *cli.App) *cobra.Command {
	return cli.Parent("swarm", "Look up, check and draw swarms, list nodes, store, retrieve and change envelopes", "",
		newSwarmLookupCommand(app),
		newSwarmNodesCommand(app),
		newSwarmCheckCommand(app),
		newSwarmMapCommand(app),
		newSwarmStoreCommand(app),
		newSwarmRetrieveCommand(app),
		newSwarmDeleteCommand(app),
		newSwarmExpireCommand(app),
	)
}
