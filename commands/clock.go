package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/network"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
	"sessiontool/lib/rpc"
)

func newClockCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "clock",
		Short: "Compare this machine's clock with the network's",
		Long: "Ask a seed for the time and print how far this machine's clock is off. The network tells whole seconds, and less\n" +
			"than two seconds count as none. Commands that a node refuses for their time learn the offset by themselves and go\n" +
			"on; a clock that is off should be set all the same.",
		Examples: []string{"sessiontool clock --select offset_ms"},
		Args:     cobra.NoArgs,
		Prints:   []string{record.TypeClock},
		Exits:    cli.NetworkExits().With(cli.Exits{record.ExitClock: "the clock is off by more than nodes allow"}),
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runClock(ctx, app) }),
	})
}

func runClock(ctx context.Context, app *cli.App) error {
	client, err := app.OpenNetwork()
	if err != nil {
		return err
	}
	out, err := readClock(ctx, client)
	if err != nil {
		return err
	}
	if err := app.Print(out); err != nil {
		return err
	}
	return clockProblem(out)
}

// readClock asks the network for the time.
func readClock(ctx context.Context, client *network.Client) (record.Clock, error) {
	offset, err := client.SyncClock(ctx)
	if err != nil {
		return record.Clock{}, err
	}
	now := time.Now()
	return record.Clock{
		Type: record.TypeClock, OK: offset.Abs().Milliseconds() <= rpc.MaxFutureMillis, OffsetMS: offset.Milliseconds(),
		LimitMS: rpc.MaxFutureMillis, MachineAt: record.Time(now), NetworkAt: record.Time(now.Add(offset)),
	}, nil
}

// clockProblem is what is wrong with a clock that nodes would refuse.
func clockProblem(clock record.Clock) error {
	if clock.OK {
		return nil
	}
	return fmt.Errorf("%w: the network is %s ahead", route.ErrClock, time.Duration(clock.OffsetMS)*time.Millisecond)
}
