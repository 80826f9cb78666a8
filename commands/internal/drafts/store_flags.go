package drafts

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/route"
)

// StoreFlags adjust how messages are stored.
type StoreFlags struct {
	quorum   int
	workers  int
	maxProof time.Duration
}

// formerFlag is the value of a flag that there is no more. The text says what to use.
type formerFlag string

// String implements pflag.Value.
func (f formerFlag) String() string { return "" }

// Set implements pflag.Value.
func (f formerFlag) Set(string) error { return errors.New(string(f)) }

// Type implements pflag.Value.
func (f formerFlag) Type() string { return "string" }

// Add defines the flags.
func (s *StoreFlags) Add(flags *pflag.FlagSet) {
	flags.IntVar(&s.quorum, "quorum", 1, "how many nodes must take the message, 1 to 3")
	flags.IntVar(&s.workers, "workers", 0, "processors for proof of work (default all)")
	flags.DurationVar(&s.maxProof, "max-pow", route.DefaultMaxProof,
		"refuse a proof of work that takes longer on this machine, or none if it is 0")
	flags.Var(formerFlag("--max-difficulty is now --max-pow, a time on this machine"), "max-difficulty", "")
	flags.Lookup("max-difficulty").Hidden = true
}

// Options returns the options of a router that the flags ask for.
func (s *StoreFlags) Options(app *cli.App) (route.Options, error) {
	if s.quorum < 1 || s.quorum > 3 {
		return route.Options{}, cli.UsageError(fmt.Errorf("--quorum %d is not 1, 2 or 3", s.quorum))
	}
	if s.workers < 0 {
		return route.Options{}, cli.UsageError(errors.New("--workers must not be negative"))
	}
	if s.maxProof < 0 {
		return route.Options{}, cli.UsageError(errors.New("--max-pow must not be negative"))
	}
	most := s.maxProof
	if most == 0 {
		most = route.AnyProof
	}
	return route.Options{
		Quorum: s.quorum, Workers: s.workers, MaxProof: most,
		Progress: app.Progress("proof of work").Show,
	}, nil
}
