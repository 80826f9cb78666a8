package devnetcmd

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet"
	"sessiontool/lib/presence"
	"sessiontool/lib/record"
)

func newDevnetDownCommand(app *cli.App, where *devnetFlags) *cobra.Command {
	return app.Command(cli.Spec{
		Use:      "down",
		Short:    "Stop the running devnet",
		Examples: []string{"sessiontool devnet down"},
		Prints:   []string{record.TypeNetwork},
		Exits:    cli.Exits{record.ExitNotFound: "no devnet runs"},
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runDevnetDown(ctx, app, where) }),
	})
}

// runDevnetDown ends the process of a devnet and waits for its end.
func runDevnetDown(ctx context.Context, app *cli.App, opts *devnetFlags) error {
	note, err := findDevnet(ctx, app, opts)
	if err != nil {
		return err
	}
	process, err := os.FindProcess(note.Network.PID)
	if err != nil {
		return err
	}
	notes, err := app.DevnetNotes()
	if err != nil && note.Presence != "" {
		return err
	}
	running := func() bool { return presence.StateOf(notes, note.Presence) == presence.Alive }
	if note.Presence == "" { // started with another home folder
		remote, err := devnet.Connect(note.Dir)
		if err != nil {
			return err
		}
		running = func() bool { return remote.Running(note.Dir) }
	}
	if err := cli.Terminate(process); err != nil {
		return err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for running() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	up := false
	note.Network.Up = &up
	return app.Print(note.Network)
}
