// Package plumbing contains the commands that do one step of the route each: envelope, pow, onion and swarm. The
// everyday commands, such as send and poll, are these steps joined.
package plumbing

import (
	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/tracecmd"
)

// NewSwarm makes the command swarm.
func NewSwarm(app *cli.App) *cobra.Command {
	return cli.Parent("swarm", "Look up, check and draw swarms, list nodes, store, retrieve and change envelopes", "",
		newSwarmLookupCommand(app),
		newSwarmNodesCommand(app),
		newSwarmCheckCommand(app),
		tracecmd.NewSwarmWatch(app),
		newSwarmMapCommand(app),
		newSwarmStoreCommand(app),
		newSwarmRetrieveCommand(app),
		newSwarmDeleteCommand(app),
		newSwarmExpireCommand(app),
	)
}
