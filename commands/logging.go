package commands

import (
	"fmt"
	"log/slog"

	"github.com/spf13/pflag"
)

// logFlags say how a command that runs nodes logs to stderr. Nodes never log users' keys or messages, at any level.
type logFlags struct {
	format string
	level  string
}

func (l *logFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&l.format, "log-format", "text", "how to log on stderr: text or json")
	flags.StringVar(&l.level, "log-level", "", "debug, info, warn or error (default warn, with --verbose info)")
}

// logger makes the logger that the flags ask for.
func (l *logFlags) logger(app *App) (*slog.Logger, error) {
	level := slog.LevelWarn
	if app.verbose {
		level = slog.LevelInfo
	}
	if l.level != "" {
		if err := level.UnmarshalText([]byte(l.level)); err != nil {
			return nil, usageError(fmt.Errorf("--log-level %q is not debug, info, warn or error", l.level))
		}
	}
	options := &slog.HandlerOptions{Level: level}
	switch l.format {
	case "text":
		return slog.New(slog.NewTextHandler(app.streams.Err, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(app.streams.Err, options)), nil
	}
	return nil, usageError(fmt.Errorf("--log-format %q is neither text nor json", l.format))
}
