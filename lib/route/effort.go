package route

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"sessiontool/lib/pow"
)

const (
	// DefaultMaxProof is well above what a network ever asked for, which a machine of 2020 did within seconds, and low
	// enough that lying nodes cannot keep a machine busy for hours.
	DefaultMaxProof = 30 * time.Second
	// AnyProof is the [Options].MaxProof without a bound.
	AnyProof time.Duration = math.MaxInt64
)

const (
	// rateSample is how long this machine is measured.
	rateSample = 200 * time.Millisecond
	// slowestRate is a number of hashes per second that every machine reaches. A proof that is affordable at this rate
	// needs no measurement.
	slowestRate = 100_000
)

// HashRate returns this machine's hashes per second with these options, measured for the time sample. The target cannot
// be met, so that the search runs until its time is over. On a machine so busy that the time was over before the search
// began, HashRate tries again. The error is the context's.
func HashRate(ctx context.Context, sample time.Duration, options pow.Options) (float64, error) {
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

// hashRate is the rate of the machine, measured on first use.
type hashRate struct {
	once sync.Once
	rate float64
	err  error
}

// afford returns an error if the proof of a request at a difficulty takes longer on this machine, on average, than
// [Options].MaxProof. The error wraps [ErrDifficulty].
func (p *Prover) afford(q StoreRequest, difficulty int64) error {
	most := p.options.MaxProof
	expected := float64(pow.Expected(q.Message().PayloadLen(), uint64(q.TTLMillis), uint64(difficulty)))
	if most == AnyProof || expected <= slowestRate*most.Seconds() {
		return nil
	}
	p.measured.once.Do(func() {
		if p.measured.rate = p.options.HashRate; p.measured.rate > 0 {
			return
		}
		p.measured.rate, p.measured.err = HashRate(context.Background(), rateSample,
			pow.Options{Workers: p.options.Workers, Cores: p.options.Cores})
	})
	if p.measured.err != nil {
		return p.measured.err
	}
	seconds := expected / p.measured.rate
	if seconds <= most.Seconds() {
		return nil
	}
	const year = 365 * 24 * time.Hour
	takes := "years"
	if seconds < year.Seconds() {
		took, precision := time.Duration(seconds*float64(time.Second)), time.Second
		if took < time.Second {
			precision = time.Microsecond
		}
		takes = took.Round(precision).String()
	}
	return fmt.Errorf("%w: difficulty %d takes about %s on this machine, at most %s", ErrDifficulty, difficulty, takes,
		most)
}
