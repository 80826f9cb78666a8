package commands

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// terminal returns an app whose stderr is a terminal, and what that shows.
func terminal() (*App, *bytes.Buffer) {
	var screen bytes.Buffer
	env := func(string) string { return "" }
	return newApp(Streams{Out: new(bytes.Buffer), Err: &screen, ErrIsTerminal: true, Env: env}), &screen
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, screen := terminal()
		first, second := app.progress("work"), app.progress("work")
		expect := func(want string) {
			t.Helper()
			if got := screen.String(); got != want {
				t.Errorf("the screen got %q, want %q", got, want)
			}
			screen.Reset()
		}

		first.show(10, 100)
		expect("") // nobody waits yet
		<-time.After(progressAfter)
		first.show(50, 100)
		expect("\r\x1b[Kwork [###############---------------]  50%")
		second.show(0, 100)
		expect("") // too soon after the last time
		<-time.After(progressEvery)
		second.show(10, 100)
		expect("\r\x1b[Kwork [#########---------------------]  30%")
		if err := app.print(struct{}{}); err != nil {
			t.Error(err)
		}
		expect("\r\x1b[K") // before the record
		first.end()
		second.show(1000, 100)
		expect("\r\x1b[Kwork [" + strings.Repeat("#", progressWidth) + "] 100%, 1 done")
	})
}

func TestNoProgressWithoutTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, change := range map[string]func(*App){
			"no terminal":   func(app *App) { app.streams.ErrIsTerminal = false },
			"dumb terminal": func(app *App) { app.streams.Env = func(string) string { return "dumb" } },
			"--quiet":       func(app *App) { app.logging.quiet = true },
		} {
			app, screen := terminal()
			change(app)
			p := app.progress("work")
			<-time.After(progressAfter)
			p.show(1, 2)
			p.end()
			if screen.Len() > 0 {
				t.Errorf("%s shows %q", name, screen)
			}
		}
	})
}
