package devnetcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet/meter"
)

// limitFlags are the flags with the limits of nodes.
type limitFlags struct {
	rate       int
	storeBytes int64
}

func (l *limitFlags) add(flags *pflag.FlagSet, rate int) {
	flags.IntVar(&l.rate, "rate-limit", rate,
		"storage requests a second that one client address may make, twice as many at once; 0 for no limit")
	flags.Int64Var(&l.storeBytes, "max-store-bytes", 0,
		"how much a node's database may hold before it refuses messages (default 3.5 GiB)")
}

func (l *limitFlags) check() error {
	switch {
	case l.rate < 0:
		return cli.UsageError(errors.New("--rate-limit must not be negative"))
	case l.storeBytes < 0:
		return cli.UsageError(errors.New("--max-store-bytes must not be negative"))
	}
	return nil
}

// serveMetrics serves the metrics of source at address, unless that is empty. It returns the URL, and a function that
// ends it.
func serveMetrics(address string, source interface{ WriteMetrics(io.Writer) error }, log *slog.Logger) (string,
	func() error, error) {
	if address == "" {
		return "", func() error { return nil }, nil
	}
	served, err := meter.Serve(address, source, log)
	if err != nil {
		return "", nil, cli.UsageError(fmt.Errorf("--metrics: %w", err))
	}
	return served.URL(), func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return served.Close(ctx)
	}, nil
}
