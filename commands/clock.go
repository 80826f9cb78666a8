package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/network"
	"sessiontool/lib/network/lag"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
	"sessiontool/lib/storage"
)

func newClockCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "clock",
		Short: "Compare this machine's clock with the network's",
		Long: "Ask the network for the time and print how far this machine's clock is off. Several service nodes\n" +
			"are asked, and the middle one of their times counts; the seeds count only where no node gives its\n" +
			"time. The record lists what each of them says. Less than two seconds count as none.\n\n" +
			"Commands that a node refuses for their time learn the offset by themselves, date their messages with\n" +
			"the network's time and go on; a clock that is off should be set all the same. If no node or seed\n" +
			"gives a time, the exit status is 9 and the code no_time, and this machine's clock is used as it is.",
		Examples: []string{"sessiontool clock --select offset_ms"},
		Prints:   []string{record.TypeClock},
		Needs:    cli.Network,
		Exits:    cli.Exits{record.ExitClock: "the clock is off by more than nodes allow"},
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runClock(ctx, app) }),
	})
}

func runClock(ctx context.Context, app *cli.App) error {
	client, err := app.OpenNetwork()
	if err != nil {
		return err
	}
	out, err := readClock(ctx, app, client)
	if err != nil {
		return err
	}
	if err := app.Print(out); err != nil {
		return err
	}
	return clockProblem(out)
}

// readClock asks the network for the time.
func readClock(ctx context.Context, app *cli.App, client *network.Client) (record.Clock, error) {
	clock, err := client.SyncClock(ctx)
	if err != nil {
		return record.Clock{}, err
	}
	now := app.Now()
	out := record.Clock{
		Type: record.TypeClock, OK: clock.Offset.Abs().Milliseconds() <= storage.MaxFutureMillis,
		OffsetMS: clock.Offset.Milliseconds(),
		LimitMS:  storage.MaxFutureMillis, MachineAt: record.Time(now), NetworkAt: record.Time(now.Add(clock.Offset)),
		Source: string(clock.Source), Voices: []record.Voice{},
	}
	for _, voice := range clock.Voices {
		out.Voices = append(out.Voices, record.Voice{
			Source: string(voice.From), Name: voice.Name, How: string(voice.How), OffsetMS: voice.Offset.Milliseconds(),
		})
	}
	return out, nil
}

// clockText describes in words what a comparison of clocks has found.
func clockText(clock record.Clock) string {
	return fmt.Sprintf("this machine's clock is %s, by the time of the network's %s",
		lag.Words(time.Duration(clock.OffsetMS)*time.Millisecond), clock.Source)
}

// clockProblem is what is wrong with a clock that nodes would refuse.
func clockProblem(clock record.Clock) error {
	if clock.OK {
		return nil
	}
	return &route.ClockError{Offset: time.Duration(clock.OffsetMS) * time.Millisecond}
}
