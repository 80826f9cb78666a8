// Package progress shows on stderr how far long work has come: as a bar in the last line of a terminal, and as the count
// of a batch.
package progress

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// After is how long work must take before it is worth a bar.
	After = time.Second
	// Every spaces its drawings.
	Every = 100 * time.Millisecond
	width = 30
)

// Bar is the last line on a terminal during long work. It is safe for concurrent use. It is not a library, because
// importing one makes the start of every command slower.
type Bar struct {
	out io.Writer

	mu      sync.Mutex
	started time.Time // of the first piece of work
	drawn   time.Time // zero while the bar is not on the terminal
	batch   bool      // a batch is counted on the terminal, in place of the bar
	running []*Work
	ended   int
}

// New makes a bar that is drawn on out, a terminal.
func New(out io.Writer) *Bar { return &Bar{out: out} }

// Work is how far one piece of work has come. A nil Work shows nothing.
type Work struct {
	bar            *Bar
	what           string
	done, expected uint64
}

// Begin begins a piece of work.
func (b *Bar) Begin(what string) *Work {
	w := &Work{bar: b, what: what}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started.IsZero() {
		b.started = time.Now()
	}
	b.running = append(b.running, w)
	return w
}

// Show sets how much is done, and about how much is expected in all.
func (w *Work) Show(done, expected uint64) {
	if w == nil {
		return
	}
	w.bar.mu.Lock()
	defer w.bar.mu.Unlock()
	w.done, w.expected = done, expected
	if now := time.Now(); !w.bar.batch && now.Sub(w.bar.started) >= After && now.Sub(w.bar.drawn) >= Every {
		w.bar.drawn = now
		// The bar is decoration: failing to draw it must not fail the work.
		_, _ = io.WriteString(w.bar.out, clearLine+w.bar.line(w.what))
	}
}

// End removes the work from the bar.
func (w *Work) End() {
	if w == nil {
		return
	}
	w.bar.mu.Lock()
	defer w.bar.mu.Unlock()
	w.bar.running = slices.DeleteFunc(w.bar.running, func(other *Work) bool { return other == w })
	w.bar.ended++
}

// clearLine moves to the start of the terminal's line and erases it.
const clearLine = "\r\x1b[K"

// line returns the bar of all running work. Proof of work is random: it may end long before the bar is full, or after.
func (b *Bar) line(what string) string {
	var done, expected float64
	for _, w := range b.running {
		done += float64(w.done)
		expected += float64(w.expected)
	}
	share := min(done/max(expected, 1), 1)
	full := int(share * width)
	line := fmt.Sprintf("%s [%s%s] %3.0f%%", what, strings.Repeat("#", full), strings.Repeat("-", width-full),
		100*share)
	if b.ended > 0 {
		line += fmt.Sprintf(", %d done", b.ended)
	}
	return line
}

// Clear removes the bar from the terminal until the next Show.
func (b *Bar) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.drawn.IsZero() {
		b.drawn = time.Time{}
		_, _ = io.WriteString(b.out, clearLine)
	}
}
