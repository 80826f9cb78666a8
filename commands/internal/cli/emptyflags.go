package cli

import (
	"fmt"
	"slices"

	"github.com/spf13/pflag"
)

// mayBeEmpty are the flags whose empty value is a value, such as a text or a word that means something to the caller
// alone, or has an error of its own.
var mayBeEmpty = []string{"text", "request", "ref", "display-name", "to", "code"}

// checkEmpty returns an error if a flag was given without a value, as --account "$NAME" is where NAME is not set. Such a
// flag would count as left out, and the command would do something else than what was asked for.
func checkEmpty(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(flag *pflag.Flag) {
		values := []string{flag.Value.String()}
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		if flag.Value.Type() == "bool" || slices.Contains(mayBeEmpty, flag.Name) || err != nil {
			return
		}
		if len(values) == 0 || slices.Contains(values, "") {
			err = UsageError(fmt.Errorf("--%s has an empty value", flag.Name))
		}
	})
	return err
}
