package devnetcmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet"
	"sessiontool/lib/node"
	"sessiontool/lib/node/behaviour"
	"sessiontool/lib/record"
	"sessiontool/lib/storage"
)

type nodeRunOptions struct {
	seed          string
	data          string
	listen        string
	publicIP      string
	difficulty    int64
	like          string
	allowUnsigned bool
	generation    string
	limits        limitFlags
	metrics       string
	page          pageFlags
}

func newNodeRunCommand(app *cli.App) *cobra.Command {
	opts := &nodeRunOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "run",
		Short: "Run one service node until it is stopped",
		Long: "Run a service node that registers with a seed of ours (such as a devnet's registry), joins a swarm\n" +
			"and keeps its messages in --data. Its keys are made at the first start. It registers again every\n" +
			"minute, and a registry forgets a node that has been silent for five.\n\n" +
			"The record comes once the node is registered.",
		Examples: []string{
			"sessiontool node run --data ./node1 --seed $SEED",
			"sessiontool node run --data ./node1 --seed $SEED --listen 192.0.2.7:22021 \\\n" +
				"      --metrics 127.0.0.1:9100 --log-format json --log-level info",
		},
		Prints: []string{record.TypeNode},
		Needs:  cli.Network,
		Exits: cli.Exits{
			record.ExitUsage:      "or the folder cannot be used",
			record.ExitTemporary:  "the network does not answer, or a node runs in the folder",
			record.ExitRefused:    "the registry refuses the node",
			record.ExitClock:      "",
			record.ExitInterrupt:  "",
			record.ExitTerminated: "",
		},
		Run: app.RunUntilStopped(func(ctx context.Context, _ []string) error { return runNodeRun(ctx, app, opts) }),
	})
	cmd.Flags().StringVar(&opts.seed, "seed", "", "URL of the registry (default: that of the network)")
	cmd.Flags().StringVar(&opts.data, "data", "", "folder for keys and messages (required)")
	cmd.Flags().StringVar(&opts.listen, "listen", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	cmd.Flags().StringVar(&opts.publicIP, "public-ip", "",
		"address under which others reach the node (default: that of --listen)")
	cmd.Flags().Int64Var(&opts.difficulty, "difficulty", 0,
		"proof-of-work difficulty to ask for (default that of the network)")
	cmd.Flags().StringVar(&opts.generation, "generation", "",
		"storage RPC that the node serves: 2.0, 2.8 or both (default that of the network)")
	cmd.Flags().StringVar(&opts.like, "like", "",
		"behave like a server of a version (see 'devnet up'): "+strings.Join(devnet.Likenesses(), ", "))
	cmd.Flags().BoolVar(&opts.allowUnsigned, "allow-unsigned", false, "let 2020 clients retrieve, which do not sign")
	opts.limits.add(cmd.Flags(), behaviour.DefaultRateLimit)
	cmd.Flags().StringVar(&opts.metrics, "metrics", "",
		"address for a Prometheus server to ask, such as 127.0.0.1:9100")
	opts.page.add(cmd.Flags(), "page")
	return cmd
}

func runNodeRun(ctx context.Context, app *cli.App, opts *nodeRunOptions) (err error) {
	switch {
	case opts.data == "":
		return cli.UsageError(errors.New("--data is required"))
	case opts.difficulty < 0:
		return cli.UsageError(errors.New("--difficulty must not be negative"))
	case opts.generation != "" && opts.generation != GenerationBoth && !storage.Generation(opts.generation).Known():
		return cli.UsageError(fmt.Errorf("--generation %q is not 2.0, 2.8 or both", opts.generation))
	case opts.publicIP != "" && net.ParseIP(opts.publicIP) == nil:
		return cli.UsageError(fmt.Errorf("--public-ip %q is not an IP address", opts.publicIP))
	}
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(node.GCPercent))
	}
	if err := errors.Join(opts.limits.check(), opts.page.check("page")); err != nil {
		return err
	}
	rules, err := behaviour.Like(opts.like)
	if err != nil {
		return cli.UsageError(fmt.Errorf("--like: %w", err))
	}
	seed := opts.seed
	if seed == "" {
		found, err := app.ResolveNetwork()
		if err != nil {
			return err
		}
		seed = found.Seeds[0]
	}
	listener, err := net.Listen("tcp", opts.listen)
	if err != nil {
		return cli.UsageError(fmt.Errorf("--listen: %w", err))
	}
	running, err := devnet.Join(ctx, devnet.JoinOptions{
		Seed: seed, DataDir: opts.data, Listener: listener, PublicIP: opts.publicIP,
		Generation: storage.Generation(opts.generation), Behaviour: &rules, Difficulty: uint64(opts.difficulty),
		AllowUnsigned: opts.allowUnsigned, RateLimit: opts.limits.rate, MaxStoreBytes: opts.limits.storeBytes, Logger: app.Log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, running.Close(context.WithoutCancel(ctx))) }()
	metricsURL, closeMetrics, err := serveMetrics(opts.metrics, running, app.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeMetrics()) }()
	pageURL, closePage, err := opts.page.serveNode(running, opts.data, app.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closePage()) }()
	info := running.Info()
	if err := app.Print(record.Node{
		Type: record.TypeNode, Address: info.Address, IP: info.IP, Port: int(info.Port),
		PubkeyEd25519: info.PubkeyEd25519, PubkeyX25519: info.PubkeyX25519, SwarmID: info.SwarmID.String(),
		MetricsURL: metricsURL, PageURL: pageURL,
	}); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-running.Done():
		return errors.New("the node's server has stopped")
	}
}
