package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// progressAfter is how long work must take before it is worth a progress bar.
	progressAfter = time.Second
	// progressEvery spaces its drawings.
	progressEvery = 100 * time.Millisecond
	progressWidth = 30
)

// progressBar is the last line on a terminal during long work. It is safe for concurrent use. It is not a library,
// because importing one makes the start of every command slower.
type progressBar struct {
	out io.Writer

	mu      sync.Mutex
	started time.Time // of the first piece of work
	drawn   time.Time // zero while the bar is not on the terminal
	batch   bool      // a batch is counted on the terminal, in place of the bar
	running []*Progress
	ended   int
}

// Progress is how far one piece of work has come. A nil Progress shows nothing.
type Progress struct {
	bar            *progressBar
	what           string
	done, expected uint64
}

// Progress begins a piece of work. It returns nil if stderr is not a terminal that can show a bar, and with --quiet.
func (app *App) Progress(what string) *Progress {
	if !app.CanDraw() {
		return nil
	}
	p := &Progress{bar: app.bar, what: what}
	app.bar.begin(p)
	return p
}

func (b *progressBar) begin(p *Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started.IsZero() {
		b.started = time.Now()
	}
	b.running = append(b.running, p)
}

// Show sets how much is done, and about how much is expected in all.
func (p *Progress) Show(done, expected uint64) {
	if p == nil {
		return
	}
	p.bar.mu.Lock()
	defer p.bar.mu.Unlock()
	p.done, p.expected = done, expected
	if now := time.Now(); !p.bar.batch && now.Sub(p.bar.started) >= progressAfter && now.Sub(p.bar.drawn) >= progressEvery {
		p.bar.drawn = now
		// The bar is decoration: failing to draw it must not fail the work.
		_, _ = io.WriteString(p.bar.out, clearLine+p.bar.line(p.what))
	}
}

// End removes the work from the bar.
func (p *Progress) End() {
	if p == nil {
		return
	}
	p.bar.mu.Lock()
	defer p.bar.mu.Unlock()
	p.bar.running = slices.DeleteFunc(p.bar.running, func(other *Progress) bool { return other == p })
	p.bar.ended++
}

// clearLine moves to the start of the terminal's line and erases it.
const clearLine = "\r\x1b[K"

// line returns the bar of all running work. Proof of work is random: it may end long before the bar is full, or after.
func (b *progressBar) line(what string) string {
	var done, expected float64
	for _, p := range b.running {
		done += float64(p.done)
		expected += float64(p.expected)
	}
	share := min(done/max(expected, 1), 1)
	full := int(share * progressWidth)
	line := fmt.Sprintf("%s [%s%s] %3.0f%%", what, strings.Repeat("#", full), strings.Repeat("-", progressWidth-full),
		100*share)
	if b.ended > 0 {
		line += fmt.Sprintf(", %d done", b.ended)
	}
	return line
}

// clear removes the bar from the terminal until the next Show.
func (b *progressBar) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.drawn.IsZero() {
		b.drawn = time.Time{}
		_, _ = io.WriteString(b.out, clearLine)
	}
}

// CanDraw reports whether stderr is a terminal that can redraw lines, and --quiet is not set.
func (app *App) CanDraw() bool {
	return app.Streams.ErrIsTerminal && !app.logging.quiet && app.Streams.Env("TERM") != "dumb"
}
