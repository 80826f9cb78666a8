package plumbing

import (
	"context"
	"math"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/pow"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
)

func newPowEstimateCommand(app *cli.App) *cobra.Command {
	opts := &powOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "estimate [-]",
		Short: "Estimate how long a proof of work takes on this machine",
		Long: "Measure this machine for a moment and print how many hashes the proof needs on average, and how long\n" +
			"that takes: on average, and for 50, 90 and 99 of 100 messages. The envelope comes from stdin, or its\n" +
			"size and time to live from --bytes and --ttl.",
		Examples: []string{"sessiontool pow estimate --bytes 2000 --ttl 96h --difficulty 10"},
		Reads:    []string{record.TypeEnvelope},
		Prints:   []string{record.TypePow},
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runPowEstimate(ctx, app, opts) }),
	})
	opts.addDifficulty(cmd.Flags())
	opts.addWorkers(cmd.Flags())
	cmd.Flags().IntVar(&opts.bytes, "bytes", 0, "characters of base64 data, instead of envelopes from stdin")
	cmd.Flags().DurationVar(&opts.ttl, "ttl", 96*time.Hour, "time to live, with --bytes")
	return cmd
}

func runPowEstimate(ctx context.Context, app *cli.App, opts *powOptions) error {
	if err := opts.check(); err != nil {
		return err
	}
	workers := opts.cores()
	const sample = 300 * time.Millisecond
	speed, err := route.HashRate(ctx, sample, pow.Options{Workers: workers})
	if err != nil {
		return err
	}
	if opts.bytes > 0 {
		difficulty, err := chooseDifficulty(app, opts, record.Envelope{})
		if err != nil {
			return err
		}
		request := route.StoreRequest{TTLMillis: opts.ttl.Milliseconds(), StampMS: time.Now().UnixMilli()}
		request.Data = string(make([]byte, opts.bytes))
		return app.Print(estimateRecord(request, difficulty, speed, workers))
	}
	return cli.Filter(app, func(in record.Envelope) error {
		request, err := powRequest(in)
		if err != nil {
			return err
		}
		difficulty, err := chooseDifficulty(app, opts, in)
		if err != nil {
			return err
		}
		out := estimateRecord(request, difficulty, speed, workers)
		out.Ref = in.Ref
		return app.Print(out)
	})
}

// estimateRecord turns a speed into times. The number of hashes has a geometric distribution, which is as good as
// exponential here: a share q of all messages needs less than -ln(1-q) times the mean.
func estimateRecord(request route.StoreRequest, difficulty int64, speed float64, workers int) record.Pow {
	out := powRecord(request, difficulty)
	mean := 1000 * float64(out.ExpectedHashes) / speed
	out.HashesPerSecond, out.Workers, out.ExpectedMillis = speed, workers, mean
	out.P50Millis, out.P90Millis, out.P99Millis = mean*math.Ln2, mean*math.Log(10), mean*math.Log(100)
	return out
}
