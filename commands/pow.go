package commands

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/pow"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
)

type powOptions struct {
	difficulty int64
	workers    int
	bytes      int
	ttl        time.Duration
}

// cores is how many processors to use: not more than there are, which would not be faster.
func (o *powOptions) cores() int {
	all := runtime.GOMAXPROCS(0)
	if o.workers == 0 {
		return all
	}
	return min(o.workers, all)
}

// lookAhead is how many envelopes are read for each processor, so that none is idle while others work on one that
// takes long.
const lookAhead = 4

func newPowCommand(app *cli.App) *cobra.Command {
	opts := &powOptions{}
	solve := app.Command(cli.Spec{
		Use:   "solve [-]",
		Short: "Do the proof of work for envelopes",
		Long: "Find the lowest nonce that meets the difficulty for each envelope, and print the envelope with nonce,\n" +
			"difficulty and message_hash. Without --difficulty it is what the envelope names, or what the network told\n" +
			"last, or 1 if no network is known: 'swarm store' solves again if that is too little. All processors search\n" +
			"for one nonce or each for another, whatever is faster; records keep the order of the envelopes.",
		Examples: []string{"sessiontool envelope seal --to $BOB --text hello | sessiontool pow solve --difficulty 10"},
		Reads:    []string{record.TypeEnvelope},
		Prints:   []string{record.TypeEnvelope},
		Exits: cli.Exits{
			record.ExitPartial: "",
			record.ExitRefused: "no nonce can meet the difficulty",
		},
		Run: app.Run(func(ctx context.Context, args []string) error { return runPowSolve(ctx, app, opts, args) }),
	})
	verify := app.Command(cli.Spec{
		Use:   "verify [-]",
		Short: "Check the proof of work of envelopes",
		Long: "Check each envelope's nonce against --difficulty, or the difficulty that the envelope names, by the rule of\n" +
			"the 2020 storage server.",
		Examples: []string{"sessiontool pow verify --difficulty 1 < solved.json"},
		Reads:    []string{record.TypeEnvelope},
		Prints:   []string{record.TypePow},
		Exits: cli.Exits{
			record.ExitPartial: "",
			record.ExitRefused: "a proof does not meet the difficulty",
		},
		Run: app.Run(func(_ context.Context, args []string) error { return runPowVerify(app, opts, args) }),
	})
	estimate := app.Command(cli.Spec{
		Use:   "estimate [-]",
		Short: "Tell how long a proof of work will take on this machine",
		Long: "Measure this machine for a moment and tell how many hashes the proof needs on average, and how long that\n" +
			"takes: on average, and for 50, 90 and 99 of 100 messages. The envelope comes from stdin, or its size and\n" +
			"time to live from --bytes and --ttl.",
		Examples: []string{"sessiontool pow estimate --bytes 2000 --ttl 96h --difficulty 10"},
		Reads:    []string{record.TypeEnvelope},
		Prints:   []string{record.TypePow},
		Exits:    cli.Exits{record.ExitPartial: ""},
		Run:      app.Run(func(ctx context.Context, args []string) error { return runPowEstimate(ctx, app, opts, args) }),
	})
	for _, cmd := range []*cobra.Command{solve, verify, estimate} {
		cmd.Flags().Int64Var(&opts.difficulty, "difficulty", 0, "difficulty (default what the network or the envelope says)")
	}
	for _, cmd := range []*cobra.Command{solve, estimate} {
		cmd.Flags().IntVar(&opts.workers, "workers", 0, "processors to use (default all)")
	}
	estimate.Flags().IntVar(&opts.bytes, "bytes", 0, "characters of base64 data, instead of envelopes from stdin")
	estimate.Flags().DurationVar(&opts.ttl, "ttl", 96*time.Hour, "time to live, with --bytes")
	return cli.Parent("pow", "Solve, verify and estimate proof of work", "", solve, verify, estimate, newPowBenchCommand(app))
}

// chooseDifficulty takes the difficulty from the flags, from the envelope, or from what the network told last; where
// no network is known it is 1.
func chooseDifficulty(app *cli.App, opts *powOptions, in record.Envelope) (int64, error) {
	if opts.difficulty > 0 {
		return opts.difficulty, nil
	}
	if in.Difficulty > 0 {
		return in.Difficulty, nil
	}
	client, err := app.OpenNetwork()
	if errors.Is(err, cli.ErrNoNetwork) {
		return 1, nil
	}
	if err != nil {
		return 0, err
	}
	return client.Difficulty(), nil
}

func runPowSolve(ctx context.Context, app *cli.App, opts *powOptions, args []string) error {
	if err := checkPowFlags(opts, args); err != nil {
		return err
	}
	cores := pow.NewCores(opts.cores())
	return cli.FilterAhead(ctx, app, lookAhead*opts.cores(), func(in record.Envelope) (cli.Task, error) {
		request, err := powRequest(in)
		if err != nil {
			return nil, err
		}
		difficulty, err := chooseDifficulty(app, opts, in)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) (any, error) {
			progress := app.Progress("proof of work")
			defer progress.End()
			router := route.New(nil, nil, route.Options{
				Cores: cores, MaxDifficulty: math.MaxInt64, Progress: progress.Show,
			})
			if err := router.Solve(ctx, &request, difficulty); err != nil {
				return nil, err
			}
			in.Type, in.Nonce, in.Difficulty, in.MessageHash = record.TypeEnvelope, request.Nonce, difficulty, request.Hash()
			return in, nil
		}, nil
	})
}

func runPowVerify(app *cli.App, opts *powOptions, args []string) error {
	if err := checkPowFlags(opts, args); err != nil {
		return err
	}
	invalid := false
	err := cli.Filter(app, func(in record.Envelope) error {
		request, err := powRequest(in)
		if err != nil {
			return err
		}
		nonce, err := pow.DecodeNonce(in.Nonce)
		if err != nil {
			return err
		}
		difficulty, err := chooseDifficulty(app, opts, in)
		if err != nil {
			return err
		}
		out := powRecord(request, difficulty)
		hash, valid := pow.Verify(request.Message(), nonce, uint64(difficulty))
		out.Valid, out.MessageHash, out.Ref = &valid, hex.EncodeToString(hash[:]), in.Ref
		invalid = invalid || !valid
		return app.Print(out)
	})
	if err == nil && invalid {
		return cli.ErrInvalidPow
	}
	return err
}

func runPowEstimate(ctx context.Context, app *cli.App, opts *powOptions, args []string) error {
	if err := checkPowFlags(opts, args); err != nil {
		return err
	}
	workers := opts.cores()
	const sample = 300 * time.Millisecond
	speed, err := measureHashes(ctx, sample, pow.Options{Workers: workers})
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

func checkPowFlags(opts *powOptions, args []string) error {
	switch {
	case opts.difficulty < 0:
		return cli.UsageError(errors.New("--difficulty must be positive"))
	case opts.workers < 0:
		return cli.UsageError(errors.New("--workers must not be negative"))
	case opts.bytes < 0 || opts.bytes > 1<<20:
		return cli.UsageError(fmt.Errorf("--bytes %d is not within 1 and %d", opts.bytes, 1<<20))
	}
	return cli.OnlyDash(args)
}

func powRecord(request route.StoreRequest, difficulty int64) record.Pow {
	length, ttl := request.Message().PayloadLen(), uint64(request.TTLMillis)
	return record.Pow{
		Type: record.TypePow, Difficulty: difficulty, PayloadBytes: length,
		TargetHex:      fmt.Sprintf("%016x", pow.Target(length, ttl, uint64(difficulty))),
		ExpectedHashes: pow.Expected(length, ttl, uint64(difficulty)),
	}
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

// measureHashes returns this machine's hashes per second. The target cannot be met, so that the search runs until
// its time is over. On a machine so busy that the time was over before the search began, it is tried again.
func measureHashes(ctx context.Context, sample time.Duration, options pow.Options) (float64, error) {
	var hashes uint64
	options.Progress = func(done uint64) { hashes = done }
	for {
		limited, cancel := context.WithTimeout(ctx, sample)
		started := time.Now()
		_, err := pow.Solve(limited, [64]byte{}, 1, options)
		elapsed := time.Since(started)
		cancel()
		switch {
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case !errors.Is(err, context.DeadlineExceeded):
			return 0, fmt.Errorf("measuring this machine: %w", err)
		case hashes > 0:
			return float64(hashes) / elapsed.Seconds(), nil
		}
	}
}
