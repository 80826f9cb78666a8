package plumbing

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/pow"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
)

type powBenchOptions struct {
	rounds   int
	duration time.Duration
}

func newPowBenchCommand(app *cli.App) *cobra.Command {
	opts := &powBenchOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "bench",
		Short: "Measure how fast this machine does proof of work",
		Long: "Measure every kernel that this processor can run, on one core and on all. The kernel 'crypto/sha512'\n" +
			"is the yardstick, a plain loop over Go's SHA-512: ratio is how many times as fast as that on one\n" +
			"core. All take turns, round by round, and what is printed are medians: other work on the machine\n" +
			"disturbs the ratios little.",
		Examples: []string{"sessiontool pow bench --select '{kernel,workers,ratio}'"},
		Prints:   []string{record.TypePowBench},
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runPowBench(ctx, app, opts) }),
	})
	cmd.Flags().IntVar(&opts.rounds, "rounds", 11, "how often each is measured")
	cmd.Flags().DurationVar(&opts.duration, "duration", 50*time.Millisecond, "how long each is measured in a round")
	return cmd
}

// powBench is one kernel on so many cores, with what each round measured.
type powBench struct {
	kernel  *pow.Kernel
	workers int
	speeds  []float64 // hashes per second
	ratios  []float64 // to the yardstick on one core in the same round
}

func runPowBench(ctx context.Context, app *cli.App, opts *powBenchOptions) error {
	if opts.rounds < 1 || opts.duration <= 0 {
		return cli.UsageError(errors.New("--rounds and --duration must be positive"))
	}
	benches := powBenches(runtime.GOMAXPROCS(0))
	for range opts.rounds {
		if err := benchRound(ctx, benches, opts.duration); err != nil {
			return err
		}
	}
	for _, b := range benches {
		if err := app.Print(record.PowBench{
			Type: record.TypePowBench, Kernel: b.kernel.Name(), Workers: b.workers,
			HashesPerSecond: median(b.speeds), Ratio: median(b.ratios),
		}); err != nil {
			return err
		}
	}
	return nil
}

// powBenches returns what is measured. The first is the yardstick on one core.
func powBenches(cores int) (benches []*powBench) {
	for _, kernel := range append([]*pow.Kernel{pow.Yardstick()}, pow.Kernels()...) {
		benches = append(benches, &powBench{kernel: kernel, workers: 1})
		if cores > 1 {
			benches = append(benches, &powBench{kernel: kernel, workers: cores})
		}
	}
	return benches
}

func benchRound(ctx context.Context, benches []*powBench, duration time.Duration) error {
	yardstick := 0.0
	for _, b := range benches {
		speed, err := route.HashRate(ctx, duration, pow.Options{Kernel: b.kernel, Workers: b.workers})
		if err != nil {
			return err
		}
		if yardstick == 0 {
			yardstick = speed
		}
		b.speeds = append(b.speeds, speed)
		b.ratios = append(b.ratios, speed/yardstick)
	}
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
