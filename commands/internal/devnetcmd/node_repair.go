package devnetcmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/record"
)

type nodeRepairOptions struct {
	dir      string
	seed     string
	listen   string
	publicIP string
}

func newNodeRepairCommand(app *cli.App) *cobra.Command {
	opts := &nodeRepairOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "repair",
		Short: "Check the folder of a node that does not run, and repair it",
		Long: "Read the whole database of a node. If it is damaged, make a new one from what is whole, and set the\n" +
			"damaged one aside. A damaged TLS certificate is set aside, too: the node makes another one. A node whose\n" +
			"key is damaged cannot be repaired: it is another node.\n\n" +
			"With --seed the node then joins its network, as with 'node run', until it has compared with all other\n" +
			"members of its swarm, which have what it lost. Without --seed it does so when it runs the next time.",
		Examples: []string{
			"sessiontool node repair --dir ./node1",
			"sessiontool node repair --dir ./node1 --seed $SEED",
		},
		Prints: []string{record.TypeRepair},
		Needs:  cli.Network,
		Exits: cli.Exits{
			record.ExitUsage:     "or the folder cannot be repaired",
			record.ExitTemporary: "the network does not answer, or a node runs in the folder",
			record.ExitRefused:   "the registry refuses the node",
			record.ExitClock:     "",
		},
		Run: app.Run(func(ctx context.Context, _ []string) error { return runNodeRepair(ctx, app, opts) }),
	})
	cmd.Flags().StringVar(&opts.dir, "dir", "", "folder of the node (required)")
	cmd.Flags().StringVar(&opts.seed, "seed", "", "URL of a registry, to get what is lost from the node's swarm")
	cmd.Flags().StringVar(&opts.listen, "listen", "127.0.0.1:0",
		"address to listen on meanwhile; port 0 takes a free one")
	cmd.Flags().StringVar(&opts.publicIP, "public-ip", "",
		"address under which others reach the node (default: that of --listen)")
	return cmd
}

func runNodeRepair(ctx context.Context, app *cli.App, opts *nodeRepairOptions) error {
	if opts.dir == "" {
		return cli.UsageError(errors.New("--dir is required"))
	}
	set, err := ring.SetAsideCertificates(opts.dir)
	if err != nil {
		return err
	}
	repaired, err := store.Repair(ctx, opts.dir)
	if err != nil {
		return err
	}
	out := record.Repair{
		Type: record.TypeRepair, Dir: opts.dir, Damage: []string{}, SetAside: repaired.SetAside,
		Messages: repaired.Messages, Tombstones: repaired.Tombstones, Lost: repaired.Lost,
	}
	for _, damage := range append(set, repaired.Damage...) {
		out.Damage = append(out.Damage, cli.FirstLine(damage.Error()))
	}
	out.Damaged = len(out.Damage) > 0
	if opts.seed != "" {
		held, err := compareWithSwarm(ctx, app, opts)
		if err != nil {
			return fmt.Errorf("the database is repaired, but comparing with the swarm failed: %w", err)
		}
		out.FromSwarm, out.Messages = max(held-out.Messages, 0), held
	}
	return app.Print(out)
}

// compareWithSwarm runs the node until it has compared with all members of its swarm, and returns how many messages it
// has then.
func compareWithSwarm(ctx context.Context, app *cli.App, opts *nodeRepairOptions) (messages int, err error) {
	listener, err := net.Listen("tcp", opts.listen)
	if err != nil {
		return 0, cli.UsageError(fmt.Errorf("--listen: %w", err))
	}
	running, err := devnet.Join(ctx, devnet.JoinOptions{
		Seed: opts.seed, DataDir: opts.dir, Listener: listener, PublicIP: opts.publicIP, Logger: app.Log,
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, running.Close(context.WithoutCancel(ctx))) }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if settled, err := running.Settled(); settled || err != nil {
			if err != nil {
				return 0, err
			}
			return running.Messages()
		}
		select {
		case <-tick.C:
		case <-running.Done():
			return 0, errors.New("the node's server has stopped")
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}
