package devnetcmd

import (
	"strconv"

	"github.com/spf13/pflag"

	"sessiontool/lib/devnet"
)

// addDistance adds the flags of a network's distance.
func addDistance(flags *pflag.FlagSet, distance *devnet.Distance) {
	flags.DurationVar(&distance.Latency, "latency", 0, "how long every request waits at every node")
	flags.DurationVar(&distance.Jitter, "jitter", 0, "how much longer it waits, at random")
	flags.Var((*shareValue)(&distance.Loss), "loss", "share of packets that the nodes' connections lose, as 0.01 or 1%")
}

// shareValue is the value of a flag for a share: a fraction such as 0.01, or a percentage such as 1%.
type shareValue float64

// Set implements pflag.Value.
func (s *shareValue) Set(text string) error {
	share, err := devnet.ParseShare(text)
	if err != nil {
		return err
	}
	*s = shareValue(share)
	return nil
}

// String implements pflag.Value.
func (s *shareValue) String() string { return strconv.FormatFloat(float64(*s), 'g', -1, 64) }

// Type implements pflag.Value.
func (s *shareValue) Type() string { return "share" }
