package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/pflag"
)

// logFlags choose what a command logs on stderr. No level logs secrets or texts, and service nodes do not log users
// either.
type logFlags struct {
	format  string
	level   string
	verbose bool
	quiet   bool

	progress bool // see countBatch
}

func (l *logFlags) add(flags *pflag.FlagSet) {
	flags.BoolVarP(&l.verbose, "verbose", "v", false, "log on stderr what happens")
	flags.BoolVarP(&l.quiet, "quiet", "q", false,
		"print nothing on stderr but the final error, and draw no progress bar")
	flags.BoolVar(&l.progress, "progress", false,
		"print how far a batch is on stderr, every 10 s where that is no terminal")
	flags.StringVar(&l.format, "log-format", "text", "format of the log: text or json")
	refuse(flags, "log-format", func() error {
		if l.format != "text" && l.format != "json" {
			return fmt.Errorf("%q is neither text nor json", l.format)
		}
		return nil
	})
	flags.StringVar(&l.level, "log-level", "",
		"lowest level of the log: debug, info, warn or error (default warn, with --verbose info)")
	refuse(flags, "log-level", func() error {
		_, err := l.threshold()
		return err
	})
}

// threshold returns the lowest level that is logged.
func (l *logFlags) threshold() (level slog.Level, err error) {
	switch {
	case l.level != "":
		if level.UnmarshalText([]byte(l.level)) != nil {
			err = fmt.Errorf("%q is not debug, info, warn or error", l.level)
		}
	case l.verbose:
		level = slog.LevelInfo
	default:
		level = slog.LevelWarn
	}
	return level, err
}

// logger returns the logger that the flags ask for.
func (l *logFlags) logger(out io.Writer) (*slog.Logger, error) {
	if l.verbose && l.quiet {
		return nil, UsageError(errors.New("--verbose and --quiet exclude each other"))
	}
	level, err := l.threshold()
	if err != nil {
		return nil, UsageError(err)
	}
	options := &slog.HandlerOptions{Level: level}
	switch {
	case l.quiet:
		return slog.New(slog.DiscardHandler), nil
	case l.format == "json":
		return slog.New(slog.NewJSONHandler(out, options)), nil
	}
	return slog.New(slog.NewTextHandler(out, options)), nil
}

// LogArguments returns the flags that make another process log the same way.
func (app *App) LogArguments() []string {
	l := &app.logging
	args := []string{fmt.Sprint("--verbose=", l.verbose), fmt.Sprint("--quiet=", l.quiet), "--log-format=" + l.format}
	if l.level != "" {
		args = append(args, "--log-level="+l.level)
	}
	return args
}
