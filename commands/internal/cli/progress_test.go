package cli

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/commands/internal/progress"
)

// terminal returns an app whose stderr is a terminal, and what that shows.
func terminal() (*App, *bytes.Buffer) {
	var screen bytes.Buffer
	env := func(string) string { return "" }
	return New(Streams{Out: new(bytes.Buffer), Err: &screen, ErrIsTerminal: true, Env: env}), &screen
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, screen := terminal()
		first, second := app.Progress("work"), app.Progress("work")
		expect := func(want string) {
			t.Helper()
			if got := screen.String(); got != want {
				t.Errorf("the screen got %q, want %q", got, want)
			}
			screen.Reset()
		}

		first.Show(10, 100)
		expect("") // no caller waits yet
		<-time.After(progress.After)
		first.Show(50, 100)
		expect("\r\x1b[Kwork [###############---------------]  50%")
		second.Show(0, 100)
		expect("") // too soon after the last time
		<-time.After(progress.Every)
		second.Show(10, 100)
		expect("\r\x1b[Kwork [#########---------------------]  30%")
		if err := app.Print(struct{}{}); err != nil {
			t.Error(err)
		}
		expect("\r\x1b[K") // before the record
		first.End()
		second.Show(1000, 100)
		expect("\r\x1b[Kwork [" + strings.Repeat("#", 30) + "] 100%, 1 done")
	})
}

func TestNoProgressWithoutTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, change := range map[string]func(*App){
			"no terminal":   func(app *App) { app.Streams.ErrIsTerminal = false },
			"dumb terminal": func(app *App) { app.Streams.Env = func(string) string { return "dumb" } },
			"--quiet":       func(app *App) { app.logging.quiet = true },
		} {
			app, screen := terminal()
			change(app)
			p := app.Progress("work")
			<-time.After(progress.After)
			p.Show(1, 2)
			p.End()
			if screen.Len() > 0 {
				t.Errorf("%s shows %q", name, screen)
			}
		}
	})
}
