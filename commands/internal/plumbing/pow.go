package plumbing

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/envelope"
	"sessiontool/lib/pow"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
)

type powOptions struct {
	difficulty int64
	workers    int
	bytes      int
	ttl        time.Duration
}

// NewPow makes the command pow.
func NewPow(app *cli.App) *cobra.Command {
	return cli.Parent("pow", "Solve, verify and estimate proof of work", "",
		newPowSolveCommand(app),
		newPowVerifyCommand(app),
		newPowEstimateCommand(app),
		newPowBenchCommand(app),
	)
}

func (o *powOptions) addDifficulty(flags *pflag.FlagSet) {
	flags.Int64Var(&o.difficulty, "difficulty", 0, "difficulty (default what the network or the envelope says)")
}

func (o *powOptions) addWorkers(flags *pflag.FlagSet) {
	flags.IntVar(&o.workers, "workers", 0, "processors to use (default all)")
}

// cores is how many processors to use: not more than there are, which would not be faster.
func (o *powOptions) cores() int {
	all := runtime.GOMAXPROCS(0)
	if o.workers == 0 {
		return all
	}
	return min(o.workers, all)
}

// chooseDifficulty takes the difficulty from the flags, from the envelope, or from what the network asked for last. If
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

// check returns an error unless the flags make sense.
func (opts *powOptions) check() error {
	switch {
	case opts.difficulty < 0:
		return cli.UsageError(errors.New("--difficulty must be positive"))
	case opts.workers < 0:
		return cli.UsageError(errors.New("--workers must not be negative"))
	case opts.bytes < 0 || opts.bytes > 1<<20:
		return cli.UsageError(fmt.Errorf("--bytes %d is not within 1 and %d", opts.bytes, 1<<20))
	}
	return nil
}

func powRecord(request route.StoreRequest, difficulty int64) record.Pow {
	length, ttl := request.Message().PayloadLen(), uint64(request.TTLMillis)
	return record.Pow{
		Type: record.TypePow, Difficulty: difficulty, PayloadBytes: length,
		TargetHex:      fmt.Sprintf("%016x", pow.Target(length, ttl, uint64(difficulty))),
		ExpectedHashes: pow.Expected(length, ttl, uint64(difficulty)),
	}
}

// powRequest checks an envelope record as far as proof of work needs it: other networks have other limits.
func powRequest(in record.Envelope) (route.StoreRequest, error) {
	to, err := sessionid.Parse(in.To)
	if err != nil {
		return route.StoreRequest{}, err
	}
	switch {
	case len(in.DataBase64) > storage.MaxDataBytes:
		return route.StoreRequest{}, fmt.Errorf("%w: data_base64 has %d characters",
			envelope.ErrTooLarge, len(in.DataBase64))
	case in.TTLMillis < 0 || in.TimestampMS < 0:
		return route.StoreRequest{}, fmt.Errorf("%w: ttl_ms or timestamp_ms is negative", cli.ErrBadInput)
	}
	return route.StoreRequest{
		To: to, TTLMillis: in.TTLMillis, StampMS: in.TimestampMS, Data: in.DataBase64, Nonce: in.Nonce,
		Difficulty: in.Difficulty,
	}, nil
}
