package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// batchOf runs a batch of n items of one second each, and returns what stderr shows.
func batchOf(t *testing.T, n int, change func(*App)) string {
	t.Helper()
	var screen bytes.Buffer
	file := filepath.Join(t.TempDir(), "items")
	if err := os.WriteFile(file, []byte(strings.Repeat("{}\n", n)), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	synctest.Test(t, func(t *testing.T) {
		app := New(Streams{Out: new(bytes.Buffer), Err: &screen, Env: func(string) string { return "" },
			In: interruptible{t.Context(), in}})
		change(app)
		err := FilterAhead(t.Context(), app, Processors(1), func(struct{}) (Task, error) {
			return func(context.Context) (any, error) {
				<-time.After(time.Second)
				return struct{}{}, nil
			}, nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	return screen.String()
}

// A batch shows count, rate and time left on a terminal, and with --progress in a line now and then elsewhere.
func TestBatchProgress(t *testing.T) {
	onTerminal := batchOf(t, 4, func(app *App) { app.Streams.ErrIsTerminal = true })
	if !strings.Contains(onTerminal, "\r\x1b[K2 of about 4 done, 1/s, 2s left") || !strings.HasSuffix(onTerminal, "\r\x1b[K") {
		t.Errorf("the terminal shows %q", onTerminal)
	}
	lines := batchOf(t, 25, func(app *App) { app.logging.progress = true })
	want := "progress: 10 of about 25 done, 1/s, 15s left\nprogress: 20 of about 25 done, 1/s, 5s left\n" +
		"progress: 25 of 25 done, 1/s\n"
	if lines != want {
		t.Errorf("got %q, want %q", lines, want)
	}
	for name, change := range map[string]func(*App){
		"no terminal": func(*App) {},
		"quiet":       func(app *App) { app.Streams.ErrIsTerminal, app.logging.quiet = true, true },
	} {
		if shown := batchOf(t, 3, change); shown != "" {
			t.Errorf("%s: %q", name, shown)
		}
	}
}
