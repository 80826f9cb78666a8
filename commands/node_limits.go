package commands

import (
	"errors"

	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
)

// limitFlags are the limits of nodes that can be chosen.
type limitFlags struct {
	rate       int
	storeBytes int64
}

func (l *limitFlags) add(flags *pflag.FlagSet, rate int) {
	flags.IntVar(&l.rate, "rate-limit", rate, "storage requests a second that one client address may make, twice as many at once; 0 for no limit")
	flags.Int64Var(&l.storeBytes, "max-store-bytes", 0, "how much a node's database may hold before it refuses messages (default 3.5 GiB)")
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
