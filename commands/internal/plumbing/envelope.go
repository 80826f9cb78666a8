package plumbing

import (
	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
)

// NewEnvelope makes the command envelope.
func NewEnvelope(app *cli.App) *cobra.Command {
	return cli.Parent("envelope", "Seal, open and inspect envelopes", "",
		newEnvelopeSealCommand(app),
		newEnvelopeOpenCommand(app),
		newEnvelopeInspectCommand(app),
	)
}
