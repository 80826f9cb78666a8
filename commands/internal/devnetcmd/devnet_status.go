package devnetcmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet"
	"sessiontool/lib/record"
)

func newDevnetStatusCommand(app *cli.App, where *devnetFlags) *cobra.Command {
	return app.Command(cli.Spec{
		Use:      "status",
		Short:    "Print the running devnet's network record",
		Examples: []string{"sessiontool devnet status"},
		Prints:   []string{record.TypeNetwork},
		Exits:    cli.Exits{record.ExitNotFound: "no devnet runs"},
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runDevnetStatus(ctx, app, where) }),
	})
}

// runDevnetStatus prints the network record of a devnet with its present status.
func runDevnetStatus(ctx context.Context, app *cli.App, opts *devnetFlags) error {
	note, err := findDevnet(ctx, app, opts)
	if err != nil {
		return err
	}
	remote, err := devnet.Connect(note.Dir)
	if err != nil {
		return err
	}
	status, err := remote.Status(ctx)
	if err != nil {
		return err
	}
	return app.Print(note.WithStatus(status))
}
