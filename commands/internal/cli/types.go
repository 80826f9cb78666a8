package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/tidwall/gjson"

	"sessiontool/lib/record"
)

// Types are the flags that choose records by their types. The zero value chooses all.
type Types struct{ only, skip []string }

// Add defines the flags.
func (t *Types) Add(flags *pflag.FlagSet) {
	flags.StringSliceVar(&t.only, "only", nil,
		"print only records of these types, such as message,friend_request; the others count as printed")
	flags.StringSliceVar(&t.skip, "skip", nil, "print no records of these types, which count as printed")
}

// Use makes app print only the chosen records of a command. The error is that of wrong types.
func (t *Types) Use(app *App, cmd *cobra.Command) error {
	if len(t.only) > 0 && len(t.skip) > 0 {
		return UsageError(errors.New("--only and --skip exclude each other"))
	}
	for name, kinds := range map[string][]string{"only": t.only, "skip": t.skip} {
		if cmd.Flags().Changed(name) && len(kinds) == 0 {
			return UsageError(fmt.Errorf("--%s names no type of record", name))
		}
	}
	if len(t.only) == 0 && len(t.skip) == 0 {
		return nil
	}
	kinds := app.SpecOf(cmd).Kinds()
	for _, kind := range slices.Concat(t.only, t.skip) {
		if !slices.Contains(kinds, kind) {
			return UsageError(fmt.Errorf("%q is no type of record that this command prints: %s", kind,
				strings.Join(kinds, ", ")))
		}
	}
	app.printer.chosen = t
	return nil
}

// Chosen returns the flags of [Types.Use], nil if they choose all records.
func (app *App) Chosen() *Types { return app.printer.chosen }

// losses are the types of records which say that something is missing. They go to stderr if they are not chosen.
var losses = []string{
	record.TypeError, record.TypeUnopenable, record.TypeDropped, record.TypeGap, record.TypeTruncated, record.TypeSetAside,
}

// Shows reports whether records of a type are printed, on stdout or as a loss on stderr. All are if t is nil.
func (t *Types) Shows(kind string) bool { return t.chooses(kind) || slices.Contains(losses, kind) }

// chooses reports whether records of a type are printed on stdout.
func (t *Types) chooses(kind string) bool {
	switch {
	case t == nil, kind == record.TypeHook:
		return true
	case len(t.only) > 0:
		return slices.Contains(t.only, kind)
	}
	return !slices.Contains(t.skip, kind)
}

// passes reports whether an encoded record is not for stdout, and whether it is for stderr.
func (t *Types) passes(line []byte) (over, loss bool) {
	if t == nil {
		return false, false
	}
	kind := gjson.GetBytes(line, "type").Str
	over = !t.chooses(kind)
	return over, over && slices.Contains(losses, kind)
}
