package drafts

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/route"
)

// StoreFlags adjust how messages are stored.
type StoreFlags struct {
	quorum        int
	workers       int
	maxDifficulty int64
}

// Add defines the flags.
func (s *StoreFlags) Add(flags *pflag.FlagSet) {
	flags.IntVar(&s.quorum, "quorum", 1, "how many nodes must take the message, 1 to 3")
	flags.IntVar(&s.workers, "workers", 0, "processors for proof of work (default all)")
	flags.Int64Var(&s.maxDifficulty, "max-difficulty", route.DefaultMaxDifficulty,
		"refuse more proof of work than this")
}

// Options returns the options of a router that the flags ask for.
func (s *StoreFlags) Options(app *cli.App) (route.Options, error) {
	if s.quorum < 1 || s.quorum > 3 {
		return route.Options{}, cli.UsageError(fmt.Errorf("--quorum %d is not 1, 2 or 3", s.quorum))
	}
	if s.workers < 0 {
		return route.Options{}, cli.UsageError(errors.New("--workers must not be negative"))
	}
	return route.Options{
		Quorum: s.quorum, Workers: s.workers, MaxDifficulty: s.maxDifficulty,
		Progress: app.Progress("proof of work").Show,
	}, nil
}
