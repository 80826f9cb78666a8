package commands

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressAfter is how long work must take before it is worth a progress bar.
const progressAfter = time.Second

// progress returns a callback that draws a progress bar on stderr once the work has taken a while, or nil if stderr
// is not a terminal that can draw one, or --quiet asks for none. The work is random: it may end early, and the bar starts anew if it goes on beyond what was
// expected.
func (app *App) progress(what string) func(done, expected uint64) {
	if !app.streams.ErrIsTerminal || app.logging.quiet || app.streams.Env("TERM") == "dumb" {
		return nil
	}
	started := time.Now()
	var bar *progressbar.ProgressBar
	return func(done, expected uint64) {
		if bar == nil {
			if time.Since(started) < progressAfter {
				return
			}
			bar = progressbar.NewOptions64(100, progressbar.OptionSetWriter(app.streams.Err),
				progressbar.OptionSetDescription(what), progressbar.OptionClearOnFinish(),
				progressbar.OptionThrottle(100*time.Millisecond))
		}
		// The bar is decoration: failing to draw it must not fail the work.
		_ = bar.Set64(int64(100 * (done % expected) / expected))
	}
}
