package cli

import (
	"io"

	"sessiontool/commands/internal/human"
)

// The forms of --output.
const (
	outputJSON  = "json"
	outputHuman = "human"
)

// chooseOutput makes the printer print for people if --output says so. What --select and --pretty print is JSON. Before
// the settings are known, and for commands that need none, the flag and the variable count.
func (app *App) chooseOutput() {
	wanted := app.output
	if app.origins == nil && wanted == outputJSON {
		wanted = app.Streams.Env(VariableOf("output"))
	}
	if wanted != outputHuman || app.printer.pretty || app.printer.path != "" || app.printer.path0 != "" {
		return
	}
	app.printer.people = &human.Writer{
		Out:   app.Streams.Out,
		Color: app.Streams.OutIsTerminal && app.Streams.Env("NO_COLOR") == "" && app.Streams.Env("TERM") != "dumb",
	}
}

// Tell writes a line to a user in front of a terminal, unless --quiet is set. It is no record and no log.
func (app *App) Tell(line string) {
	if app.Streams.ErrIsTerminal && !app.logging.quiet {
		app.bar.Clear()
		_, _ = io.WriteString(app.Streams.Err, line+"\n")
	}
}
