package commands

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A progress bar is drawn on a terminal once work takes long, without colours whatever NO_COLOR says; elsewhere there is
// none.
func TestProgress(t *testing.T) {
	for what, test := range map[string]struct {
		terminal, quiet bool
		term            string
		drawn           bool
	}{
		"a terminal":    {terminal: true, term: "xterm", drawn: true},
		"no terminal":   {term: "xterm"},
		"--quiet":       {terminal: true, quiet: true, term: "xterm"},
		"dumb terminal": {terminal: true, term: "dumb"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var problems bytes.Buffer
			app := newApp(Streams{ErrIsTerminal: test.terminal, Err: &problems, Env: func(name string) string {
				return map[string]string{"TERM": test.term}[name]
			}})
			app.logging.quiet = test.quiet
			report := app.progress("work")
			if (report != nil) != test.drawn {
				t.Fatalf("%s: progress is reported: %t", what, report != nil)
			}
			if report == nil {
				return
			}
			report(1, 100)
			if problems.Len() > 0 {
				t.Errorf("%s: drawn at once: %q", what, problems.String())
			}
			time.Sleep(2 * progressAfter)
			report(50, 100)
			if text := problems.String(); !strings.Contains(text, "work") || strings.Contains(text, "\x1b[3") {
				t.Errorf("%s: drawn: %q", what, text)
			}
		})
	}
}
