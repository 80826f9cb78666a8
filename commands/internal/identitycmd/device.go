package identitycmd

import (
	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
)

// NewDevice makes the command device.
func NewDevice(app *cli.App) *cobra.Command {
	return cli.Parent("device", "Link, list and remove the devices of an account (session-v2)", "",
		newDeviceLinkCommand(app),
		newDeviceListCommand(app),
		newDeviceRemoveCommand(app),
	)
}
