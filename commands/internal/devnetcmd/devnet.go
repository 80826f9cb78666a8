// Package devnetcmd contains the commands that run service nodes: devnet, with its faults and settings, and node.
package devnetcmd

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
)

// devnetFlags say which devnet a command is about.
type devnetFlags struct {
	dir string // empty for the newest one that runs
}

// NewDevnet makes the command devnet.
func NewDevnet(app *cli.App) *cobra.Command {
	where := &devnetFlags{}
	cmd := cli.Parent("devnet", "Start, show, disturb and stop a network of service nodes on this machine", "",
		newDevnetUpCommand(app, where),
		newDevnetStatusCommand(app, where),
		newDevnetDownCommand(app, where),
		newDevnetFaultCommand(app, where),
		newDevnetDifficultyCommand(app, where),
	)
	cmd.PersistentFlags().StringVar(&where.dir, "dir", "", "folder of the devnet (default: in the user's state folder)")
	return cmd
}

// devnetDir returns the absolute folder of the devnet that the flags name.
func devnetDir(app *cli.App, where *devnetFlags) (string, error) {
	if where.dir != "" {
		return filepath.Abs(where.dir)
	}
	dir, err := cli.StateDir(app.Streams.Env)
	return filepath.Join(dir, "devnet"), err
}

// findDevnet returns the running devnet in --dir, or without it the newest one.
func findDevnet(app *cli.App, where *devnetFlags) (*cli.DevnetNote, error) {
	running, err := app.Devnets()
	if err != nil {
		return nil, err
	}
	if where.dir == "" && len(running) > 0 {
		return &running[0], nil
	}
	dir, err := devnetDir(app, where)
	if err != nil {
		return nil, err
	}
	for _, note := range running {
		if note.Dir == dir {
			return &note, nil
		}
	}
	return nil, cli.ErrNoNetwork
}
