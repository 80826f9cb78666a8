// Package devnetcmd contains the commands that run service nodes: devnet, with its faults and settings, and node.
package devnetcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet"
	"sessiontool/lib/network"
)

// networkFile is the name of the file with the network record of a devnet, in its folder.
const networkFile = "network.json"

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
		newDevnetPageCommand(app, where),
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

// findDevnet returns the running devnet in --dir, or without it the one that the setting network names, or without that
// the newest one. One in --dir may have been started with another home folder.
func findDevnet(ctx context.Context, app *cli.App, where *devnetFlags) (*cli.DevnetNote, error) {
	running, err := app.Devnets()
	if err != nil {
		return nil, err
	}
	if where.dir == "" && len(running) > 0 {
		return app.NamedDevnet(running)
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
	if where.dir == "" {
		return nil, cli.ErrNoNetwork
	}
	return foreignDevnet(ctx, dir)
}

// foreignDevnet returns the running devnet in a folder, for which this user has no note.
func foreignDevnet(ctx context.Context, dir string) (*cli.DevnetNote, error) {
	remote, err := devnet.Connect(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.ErrNoNetwork
	}
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(dir, networkFile))
	if err != nil {
		return nil, err
	}
	note := &cli.DevnetNote{Dir: dir}
	if err := json.Unmarshal(data, &note.Network); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", network.ErrBadNetwork, filepath.Join(dir, networkFile), err)
	}
	if _, err := remote.Status(ctx); err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			return nil, cli.ErrNoNetwork // it was killed
		}
		return nil, err
	}
	note.Network.PID = remote.PID()
	return note, nil
}
