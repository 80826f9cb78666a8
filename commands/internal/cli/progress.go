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

// progressBar is the last line on a terminal while there is something to wait for. It is safe for concurrent use. It
// is not a library's because the start of every command would pay for one.
type progressBar struct {
	out io.Writer

	mu      sync.Mutex
	started time.Time // of the first piece of work
	drawn   time.Time // zero while the bar is not on the terminal
	running []*progress
	ended   int
}

// Progress is how far one piece of work has come. A nil one shows nothing.
type progress struct {
	bar            *progressBar
	what           string
	done, expected uint64
}

// Progress begins a piece of work, or returns nil if stderr is no terminal that can show a bar or --quiet
// asks for none.
func (app *App) Progress(what string) *progress {
	if !app.Streams.ErrIsTerminal || app.logging.quiet || app.Streams.Env("TERM") == "dumb" {
		return nil
	}
	p := &progress{bar: app.bar, what: what}
	app.bar.begin(p)
	return p
}

func (b *progressBar) begin(p *progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started.IsZero() {
		b.started = time.Now()
	}
	b.running = append(b.running, p)
}

// Show tells how much is done, of about as much as is expected.
func (p *progress) Show(done, expected uint64) {
	if p == nil {
		return
	}
	p.bar.mu.Lock()
	defer p.bar.mu.Unlock()
	p.done, p.expected = done, expected
	if now := time.Now(); now.Sub(p.bar.started) >= progressAfter && now.Sub(p.bar.drawn) >= progressEvery {
		p.bar.drawn = now
		// The bar is decoration: failing to draw it must not fail the work.
		_, _ = io.WriteString(p.bar.out, clearLine+p.bar.line(p.what))
	}
}

// End takes the work off the bar.
func (p *progress) End() {
	if p == nil {
		return
	}
	p.bar.mu.Lock()
	defer p.bar.mu.Unlock()
	p.bar.running = slices.DeleteFunc(p.bar.running, func(other *progress) bool { return other == p })
	p.bar.ended++
}

// clearLine goes to the start of the terminal's line and erases it.
const clearLine = "\r\x1b[K"

// line is the bar of all that runs. Proof of work is random: it may end long before the bar is full, or after.
func (b *progressBar) line(what string) string {
	var done, expected float64
	for _, p := range b.running {
		done += float64(p.done)
		expected += float64(p.expected)
	}
	share := min(done/max(expected, 1), 1)
	full := int(share * progressWidth)
	line := fmt.Sprintf("%s [%s%s] %3.0f%%", what, strings.Repeat("#", full), strings.Repeat("-", progressWidth-full), 100*share)
	if b.ended > 0 {
		line += fmt.Sprintf(", %d done", b.ended)
	}
	return line
}

// clear takes the bar off the terminal, until work shows again how far it is.
func (b *progressBar) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.drawn.IsZero() {
		b.drawn = time.Time{}
		_, _ = io.WriteString(b.out, clearLine)
	}
}
