package devnetcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet"
	"sessiontool/lib/record"
	"sessiontool/lib/storage"
)

type devnetUpOptions struct {
	*devnetFlags
	name          string
	nodes         int
	swarmSize     int
	difficulty    int64
	generation    string
	like          string
	seedTime      string
	allowUnsigned bool
	limits        limitFlags
	distance      devnet.Distance
	detach        bool
	listen        string
	metrics       string
	page          pageFlags
	faults        []string
}

func newDevnetUpCommand(app *cli.App, where *devnetFlags) *cobra.Command {
	opts := &devnetUpOptions{devnetFlags: where}
	cmd := app.Command(cli.Spec{
		Use:   "up",
		Short: "Start a whole network of service nodes on this machine",
		Long: "Start service nodes and a registry on free ports of 127.0.0.1, in one process. Their keys and\n" +
			"messages are kept in --dir: the next 'devnet up' goes on with them. With --nodes 0 it is a registry\n" +
			"alone, which 'node run --seed' joins from this machine or, with --listen, from others.\n\n" +
			"Without --detach the network runs until the command is stopped; with it the command returns when every\n" +
			"node answers. While a devnet runs it is the network of all commands that name none.\n\n" +
			"The nodes serve clients of storage RPC 2.0, of which every message needs a proof of work. With\n" +
			"--generation 2.8 they serve storage RPC 2.8, which knows none, and our clients use it. With\n" +
			"--generation both they serve either, and the network record says 2.0 to our own clients: a client\n" +
			"that stores by 2.8 then proves nothing.\n\n" +
			"With --like the network behaves like the real servers of a version, as far as their behaviour is\n" +
			"known: what they refuse, what they time out on, how they use TLS, in which order they list messages.\n" +
			"A node that 'devnet fault set stop' has stopped then hangs, as a machine does that is gone. Without\n" +
			"--like the nodes are sessiontool's own; their swarms still list messages in an order that differs\n" +
			"from member to member.\n\n" +
			"  2.0.7   the servers of 2020: TLS 1.2, one request per connection, no synchronous route, a relay\n" +
			"          waits 10 s\n" +
			"  2.8.0   a relay waits 30 s for a dead node, a store 5 s for a dead member of the swarm\n" +
			"  2.11    later servers: other certificates, no aes-cbc in onions, active_nodes_bin, a failed store\n" +
			"          is 500\n\n" +
			"With --latency, --jitter and --loss the nodes seem far away: every request waits at every node, and the\n" +
			"nodes' connections lose packets. They stall then as TCP does, 200 ms and more for each packet that is\n" +
			"sent again, a second while they open, and are not reset. The flags set the faults delay and loss of all\n" +
			"nodes, which 'devnet fault' changes and clears.\n\n" +
			"A node that cannot start because of its folder is an error record behind the network record; the others\n" +
			"run without it. 'node repair' repairs its folder.\n\n" +
			"The record's file can be given to --network.",
		Examples: []string{
			"sessiontool devnet up --detach",
			"sessiontool devnet up --detach --like 2.8.0",
			"sessiontool devnet up --detach --latency 80ms --jitter 40ms --loss 1%",
			"sessiontool devnet up --nodes 20 --swarm-size 5 --difficulty 10",
			"sessiontool devnet up --fault drop,share=0.1 --fault delay,node=3,delay=200ms --metrics 127.0.0.1:9100",
			"sessiontool devnet up --nodes 0 --listen 0.0.0.0:22023",
		},
		Prints: []string{record.TypeNetwork},
		Exits: cli.Exits{
			record.ExitUsage:      "or the folder cannot be used",
			record.ExitPartial:    "some nodes cannot start; the others run",
			record.ExitTemporary:  "it runs already",
			record.ExitInterrupt:  "",
			record.ExitTerminated: "",
		},
		Run: func(cmd *cobra.Command, args []string) error {
			run := app.RunUntilStopped(func(ctx context.Context, _ []string) error {
				return runDevnetUp(ctx, app, opts)
			})
			if opts.detach {
				run = app.Run(func(ctx context.Context, _ []string) error {
					return runDevnetUpDetached(ctx, app, opts)
				})
			}
			return run(cmd, args)
		},
	})
	cmd.Flags().IntVar(&opts.nodes, "nodes", 12, "number of service nodes, at least 4; 0 for the registry alone")
	cmd.Flags().IntVar(&opts.swarmSize, "swarm-size", 5, "nodes in a swarm, at least")
	cmd.Flags().Int64Var(&opts.difficulty, "difficulty", 1, "proof-of-work difficulty that the nodes ask for")
	cmd.Flags().StringVar(&opts.generation, "generation", "",
		"storage RPC that the nodes serve: 2.0, 2.8 or both; 2.8 knows no proof of work (default 2.0, or with "+
			"--like what those servers serve)")
	cmd.Flags().StringVar(&opts.like, "like", "",
		"behave like a network of servers of a version: "+strings.Join(devnet.Likenesses(), ", "))
	cmd.Flags().StringVar(&opts.seedTime, "seed-time", "",
		"how the registry states the time: date, last-modified or none (default date, with --like last-modified)")
	cmd.Flags().BoolVar(&opts.allowUnsigned, "allow-unsigned", false, "let 2020 clients retrieve, which do not sign")
	opts.limits.add(cmd.Flags(), 0)
	addDistance(cmd.Flags(), &opts.distance)
	cmd.Flags().BoolVar(&opts.detach, "detach", false, "go on in the background")
	cmd.Flags().StringVar(&opts.name, "name", "devnet", "name for --network")
	cmd.Flags().StringVar(&opts.listen, "listen", "",
		"IP address, or address and port of the registry (default 127.0.0.1, the port of last time)")
	cmd.Flags().StringArrayVar(&opts.faults, "fault", nil,
		"fault from the start, as in drop,share=0.1,node=3 (see 'devnet fault set')")
	cmd.Flags().StringVar(&opts.metrics, "metrics", "",
		"address for a Prometheus server to ask, such as 127.0.0.1:9100")
	opts.page.add(cmd.Flags(), "page")
	return cmd
}

// checkDevnet returns the folder of the devnet, and makes it. It refuses options that make no network, and a folder
// that is in use.
func checkDevnet(app *cli.App, opts *devnetUpOptions) (dir string, err error) {
	switch {
	case opts.nodes != 0 && opts.nodes < 4:
		return "", cli.UsageError(fmt.Errorf(
			"--nodes %d: an onion path and its target need 4, or 0 for the registry alone", opts.nodes))
	case opts.nodes > devnet.MaxNodes:
		return "", cli.UsageError(fmt.Errorf("--nodes %d: at most %d", opts.nodes, devnet.MaxNodes))
	case !cli.Nameable(opts.name):
		return "", cli.UsageError(fmt.Errorf("--name %q is nothing that --network takes for a name", opts.name))
	case opts.swarmSize < 1:
		return "", cli.UsageError(errors.New("--swarm-size must be positive"))
	case opts.difficulty < 1:
		return "", cli.UsageError(errors.New("--difficulty must be positive"))
	case opts.generation != "" && opts.generation != GenerationBoth && !storage.Generation(opts.generation).Known():
		return "", cli.UsageError(fmt.Errorf("--generation %q is not 2.0, 2.8 or both", opts.generation))
	}
	if err := errors.Join(opts.limits.check(), opts.page.check("page")); err != nil {
		return "", err
	}
	if err := opts.distance.Check(); err != nil {
		return "", cli.UsageError(fmt.Errorf("--latency, --jitter or --loss: %w", err))
	}
	if _, err := opts.likeness(); err != nil {
		return "", err
	}
	if dir, err = devnetDir(app, opts.devnetFlags); err != nil {
		return "", err
	}
	running, err := app.Devnets()
	if err != nil {
		return "", err
	}
	for _, note := range running {
		if note.Dir == dir {
			return "", fmt.Errorf("%w: in %s, process %d", cli.ErrDevnetRunning, dir, note.Network.PID)
		}
	}
	return dir, os.MkdirAll(dir, 0o700)
}

// GenerationBoth makes nodes serve the clients of both storage RPCs.
const GenerationBoth = string(devnet.BothGenerations)

// only returns the one generation that the nodes serve, empty for both or, with --like, for that of the likeness.
func (opts *devnetUpOptions) only() storage.Generation {
	switch {
	case opts.generation == GenerationBoth, opts.generation == "" && opts.like != "":
		return ""
	case opts.generation == "":
		return storage.Generation20 // storage RPC 2.8 takes messages without a proof of work
	}
	return storage.Generation(opts.generation)
}

// likeness returns which real network the flags ask for.
func (opts *devnetUpOptions) likeness() (devnet.Likeness, error) {
	like, err := devnet.Like(opts.like)
	switch only := like.Nodes.Generation; {
	case err != nil:
		return like, cli.UsageError(fmt.Errorf(
			"--like: %w", err))
	case only != "" && opts.only() != "" && opts.only() != only:
		return like, cli.UsageError(fmt.Errorf(
			"--like %s does not go with --generation %s: such servers serve %s alone",
			opts.like, opts.generation, only))
	case opts.seedTime == "":
		return like, nil
	case !slices.Contains(devnet.SeedTimes, devnet.SeedTime(opts.seedTime)):
		return like, cli.UsageError(fmt.Errorf("--seed-time %q is none of %v", opts.seedTime, devnet.SeedTimes))
	}
	like.SeedTime = devnet.SeedTime(opts.seedTime)
	return like, nil
}

// networkOptions returns the options of the devnet that the flags ask for.
func (opts *devnetUpOptions) networkOptions(app *cli.App, dir string) (devnet.Options, error) {
	options := devnet.Options{
		Dir: dir, Nodes: opts.nodes, RegistryOnly: opts.nodes == 0, SwarmSize: opts.swarmSize,
		Difficulty: uint64(opts.difficulty), Generation: opts.only(), AllowUnsigned: opts.allowUnsigned,
		Pages:    servePages(app.Log),
		Distance: opts.distance, RateLimit: opts.limits.rate, MaxStoreBytes: opts.limits.storeBytes, Control: true,
		Logger: app.Log,
	}
	var err error
	if options.Like, err = opts.likeness(); err != nil {
		return options, err
	}
	host, port, err := net.SplitHostPort(opts.listen)
	if err != nil {
		host, port = opts.listen, "0"
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || host != "" && net.ParseIP(host) == nil {
		err := fmt.Errorf("--listen %q is neither an IP address nor one with a port", opts.listen)
		return options, cli.UsageError(err)
	}
	options.ListenIP, options.SeedPort = host, uint16(number)
	return options, nil
}

// runDevnetUp runs a devnet in this process until ctx ends.
func runDevnetUp(ctx context.Context, app *cli.App, opts *devnetUpOptions) (err error) {
	dir, err := checkDevnet(app, opts)
	if err != nil {
		return err
	}
	options, err := opts.networkOptions(app, dir)
	if err != nil {
		return err
	}
	net, err := devnet.Start(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, net.Close(context.WithoutCancel(ctx))) }()
	if err := setFaults(ctx, net, opts.faults); err != nil {
		return err
	}
	metricsURL, closeMetrics, err := serveMetrics(opts.metrics, net, options.Logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeMetrics()) }()
	out, err := describeDevnet(net, dir, opts)
	if err != nil {
		return err
	}
	out.MetricsURL = metricsURL
	if opts.page.address != "" {
		if out.PageURL, err = net.OpenPage(opts.page.options()); err != nil {
			return cli.UsageError(fmt.Errorf("--page: %w", err))
		}
	}
	remove, err := app.NoteDevnet(cli.DevnetNote{Network: out, Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := app.Print(out); err != nil {
		return err
	}
	for _, failure := range out.Failed {
		if err := app.Print(failure); err != nil {
			return err
		}
	}
	app.Tell("The devnet runs until you press Ctrl-C. With --detach it runs in the background.")
	<-ctx.Done()
	return nil
}

// setFaults sets the faults of --fault.
func setFaults(ctx context.Context, net *devnet.Network, texts []string) error {
	for _, text := range texts {
		fault, nodes, err := devnet.ParseFault(text)
		if err == nil {
			_, err = net.SetFault(ctx, nodes, fault)
		}
		if err != nil {
			return cli.UsageError(fmt.Errorf("--fault: %w", err))
		}
	}
	return nil
}

// describeDevnet returns the network record of the devnet and writes it to the network file.
func describeDevnet(net *devnet.Network, dir string, opts *devnetUpOptions) (record.Network, error) {
	up := true
	note := cli.DevnetNote{Network: record.Network{
		Type: record.TypeNetwork, Name: opts.name, File: filepath.Join(dir, networkFile),
		Seeds:      []string{net.SeedURL()},
		Generation: string(net.Generation()), Like: net.Like(), PID: os.Getpid(), Up: &up,
	}}
	out := note.WithStatus(net.Status())
	for _, failure := range net.Failed() {
		out.Failed = append(out.Failed, cli.Describe(failure.Err))
	}
	data, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return out, err
	}
	return out, os.WriteFile(out.File, append(data, '\n'), 0o644)
}
