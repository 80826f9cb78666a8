package commands

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/lib/devnet"
	"sessiontool/lib/presence"
	"sessiontool/lib/record"
)

type devnetOptions struct {
	dir           string
	name          string
	nodes         int
	swarmSize     int
	difficulty    int64
	allowUnsigned bool
	detach        bool
}

func newDevnetCommand(app *App) *cobra.Command {
	opts := &devnetOptions{}
	up := &cobra.Command{
		Use:   "up",
		Short: "Start a whole network of service nodes on this machine",
		Long: "Start service nodes and a registry on free ports of 127.0.0.1, in one process. Their keys and messages are\n" +
			"kept in --dir: the next 'devnet up' goes on with them.\n\n" +
			"Without --detach the network runs until the command is stopped; with it the command returns when every\n" +
			"node answers. While a devnet runs it is the network of all commands that name none.\n\n" +
			"Prints a network record; its file can be given to --network. Exit status: 0, 2, 5 (already running).",
		Example: "  sessiontool devnet up --detach\n" +
			"  sessiontool devnet up --nodes 20 --swarm-size 5 --difficulty 10",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.detach {
				return app.runE(func(ctx context.Context, _ []string) error { return app.detachDevnet(ctx, opts) })(cmd, args)
			}
			return app.runUntilStopped(func(ctx context.Context, _ []string) error { return app.runDevnet(ctx, opts) })(cmd, args)
		},
	}
	up.Flags().IntVar(&opts.nodes, "nodes", 12, "number of service nodes, at least 4")
	up.Flags().IntVar(&opts.swarmSize, "swarm-size", 5, "nodes in a swarm, at least")
	up.Flags().Int64Var(&opts.difficulty, "difficulty", 1, "proof-of-work difficulty that the nodes ask for")
	up.Flags().BoolVar(&opts.allowUnsigned, "allow-unsigned", false, "let 2020 clients retrieve, which do not sign")
	up.Flags().BoolVar(&opts.detach, "detach", false, "go on in the background")
	up.Flags().StringVar(&opts.name, "name", "devnet", "name for --network")
	status := &cobra.Command{
		Use: "status", Short: "Print the running devnet's network record", Args: cobra.NoArgs,
		Example: "  sessiontool devnet status",
		RunE:    app.runE(func(context.Context, []string) error { return app.devnetStatus(opts) }),
	}
	down := &cobra.Command{
		Use: "down", Short: "Stop the running devnet", Args: cobra.NoArgs,
		Example: "  sessiontool devnet down",
		RunE:    app.runE(func(ctx context.Context, _ []string) error { return app.stopDevnet(ctx, opts) }),
	}
	cmd := parent("devnet", "Start, show and stop a network of service nodes on this machine", "", up, status, down)
	cmd.PersistentFlags().StringVar(&opts.dir, "dir", "", "folder of the devnet (default: in the user's state folder)")
	return cmd
}

// devnetDir returns the absolute folder of the devnet that the flags name.
func (app *App) devnetDir(opts *devnetOptions) (string, error) {
	if opts.dir != "" {
		return filepath.Abs(opts.dir)
	}
	dir, err := stateDir(app.streams.Env)
	return filepath.Join(dir, "devnet"), err
}

// findDevnet returns the running devnet in --dir, or without it the newest one.
func (app *App) findDevnet(opts *devnetOptions) (*devnetNote, error) {
	running, err := app.devnets()
	if err != nil {
		return nil, err
	}
	if opts.dir == "" && len(running) > 0 {
		return &running[0], nil
	}
	dir, err := app.devnetDir(opts)
	if err != nil {
		return nil, err
	}
	for _, note := range running {
		if note.Dir == dir {
			return &note, nil
		}
	}
	return nil, errNoNetwork
}

// checkDevnet refuses options that make no network, and a folder that is in use.
func (app *App) checkDevnet(opts *devnetOptions) (dir string, err error) {
	switch {
	case opts.nodes < 4:
		return "", usageError(fmt.Errorf("--nodes %d: an onion path and its target need 4", opts.nodes))
	case opts.nodes > devnet.MaxNodes:
		return "", usageError(fmt.Errorf("--nodes %d: at most %d", opts.nodes, devnet.MaxNodes))
	case opts.swarmSize < 1:
		return "", usageError(errors.New("--swarm-size must be positive"))
	case opts.difficulty < 1:
		return "", usageError(errors.New("--difficulty must be positive"))
	}
	if dir, err = app.devnetDir(opts); err != nil {
		return "", err
	}
	running, err := app.devnets()
	if err != nil {
		return "", err
	}
	for _, note := range running {
		if note.Dir == dir {
			return "", fmt.Errorf("%w: in %s, process %d", errDevnetRunning, dir, note.Network.PID)
		}
	}
	return dir, os.MkdirAll(dir, 0o700)
}

// runDevnet runs a devnet in this process until ctx ends.
func (app *App) runDevnet(ctx context.Context, opts *devnetOptions) (err error) {
	dir, err := app.checkDevnet(opts)
	if err != nil {
		return err
	}
	net, err := devnet.Start(ctx, devnet.Options{
		Dir: dir, Nodes: opts.nodes, SwarmSize: opts.swarmSize, Difficulty: uint64(opts.difficulty),
		AllowUnsigned: opts.allowUnsigned, Logger: app.log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, net.Close(context.WithoutCancel(ctx))) }()
	out, err := describeDevnet(net, dir, opts)
	if err != nil {
		return err
	}
	remove, err := app.noteDevnet(devnetNote{Network: out, Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := app.print(out); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// describeDevnet makes the devnet's network record and writes it to its file.
func describeDevnet(net *devnet.Network, dir string, opts *devnetOptions) (record.Network, error) {
	up, swarms := true, make(map[string]bool)
	nodes := net.Nodes()
	for _, node := range nodes {
		swarms[node.SwarmID.String()] = true
	}
	out := record.Network{
		Type: record.TypeNetwork, Name: opts.name, File: filepath.Join(dir, "network.json"), Seeds: []string{net.SeedURL()},
		Nodes: len(nodes), Swarms: len(swarms), Difficulty: opts.difficulty, PID: os.Getpid(), Up: &up,
	}
	data, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return out, err
	}
	return out, os.WriteFile(out.File, append(data, '\n'), 0o644)
}

// detachDevnet runs the same command without --detach in a process of its own, and returns when that one has printed
// its network record.
func (app *App) detachDevnet(ctx context.Context, opts *devnetOptions) error {
	dir, err := app.checkDevnet(opts)
	if err != nil {
		return err
	}
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, "devnet.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{
		"devnet", "up", "--dir", dir, "--name", opts.name, fmt.Sprint("--nodes=", opts.nodes),
		fmt.Sprint("--swarm-size=", opts.swarmSize), fmt.Sprint("--difficulty=", opts.difficulty),
		fmt.Sprint("--allow-unsigned=", opts.allowUnsigned), fmt.Sprint("--verbose=", app.verbose),
	}
	child := exec.Command(executable, args...)
	child.Stderr = log
	child.SysProcAttr = detached()
	stdout, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	out, err := awaitDevnet(ctx, stdout)
	if err != nil {
		return errors.Join(fmt.Errorf("%w; see %s", err, log.Name()), child.Process.Kill(), child.Wait())
	}
	if err := child.Process.Release(); err != nil {
		return err
	}
	return app.print(out)
}

// awaitDevnet reads the network record that a starting devnet prints.
func awaitDevnet(ctx context.Context, stdout io.Reader) (out record.Network, err error) {
	lines := make(chan error, 1)
	go func() {
		line, err := bufio.NewReader(stdout).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &out)
		}
		lines <- err
	}()
	select {
	case err := <-lines:
		if err != nil {
			return out, fmt.Errorf("the devnet did not start: %w", err)
		}
		return out, nil
	case <-ctx.Done():
		return record.Network{}, ctx.Err()
	}
}

func (app *App) devnetStatus(opts *devnetOptions) error {
	note, err := app.findDevnet(opts)
	if err != nil {
		return err
	}
	return app.print(note.Network)
}

// stopDevnet tells a devnet's process to end and waits until it has.
func (app *App) stopDevnet(ctx context.Context, opts *devnetOptions) error {
	note, err := app.findDevnet(opts)
	if err != nil {
		return err
	}
	process, err := os.FindProcess(note.Network.PID)
	if err != nil {
		return err
	}
	if err := terminate(process); err != nil {
		return err
	}
	notes, err := app.devnetNotes()
	if err != nil {
		return err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for presence.Look(notes, note.presence) == presence.Alive {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	up := false
	note.Network.Up = &up
	return app.print(note.Network)
}
