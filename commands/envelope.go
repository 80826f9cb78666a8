package commands

import (
	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
)

func newEnvelopeCommand(app *cli.App) *cobra.Command {
	return cli.Parent("envelope", "Seal, open and inspect envelopes", "",
		newEnvelopeSealCommand(app),
		newEnvelopeOpenCommand(app),
		newEnvelopeInspectCommand(app),
	)
}
