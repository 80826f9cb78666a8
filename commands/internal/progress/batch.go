package progress

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// lineEvery spaces the lines where stderr is no terminal.
	lineEvery = 10 * time.Second
	// rateAfter is how long a batch must run before a rate is worth an estimate.
	rateAfter = 500 * time.Millisecond
)

// Batch counts the items of a batch. On a terminal it is the last line, in place of the bar; elsewhere it is a line now
// and then. A nil Batch counts nothing. It is safe for concurrent use.
type Batch struct {
	bar   *Bar
	lines bool // stderr is no terminal
	size  int64

	mu           sync.Mutex
	started      time.Time
	shown        time.Time
	taken, total int // items that were taken from the source, and all of them; 0 if that is not known
	read         int64
	done, failed int
}

// Count begins to count a batch of total items, or of a source of size bytes; 0 if that is not known. With lines it
// prints lines, which need no terminal.
func (b *Bar) Count(total int, size int64, lines bool) *Batch {
	now := time.Now()
	b.mu.Lock()
	b.batch = !lines
	b.mu.Unlock()
	return &Batch{bar: b, lines: lines, size: size, total: total, started: now, shown: now}
}

// Take counts an item that was taken from the source, of which read bytes are read in all.
func (m *Batch) Take(read int64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken++
	m.read = max(m.read, read)
}

// Finish counts an item that is done, and shows the count if it is time.
func (m *Batch) Finish(err error) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done++
	if err != nil {
		m.failed++
	}
	every := Every
	if m.lines {
		every = lineEvery
	}
	now := time.Now()
	if now.Sub(m.started) < After || now.Sub(m.shown) < every {
		return
	}
	m.shown = now
	m.bar.showBatch(m.text(now), m.lines)
}

// End removes the count from the terminal, or prints the last line of one that was shown.
func (m *Batch) End() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := time.Now(); m.lines && m.shown.After(m.started) {
		m.total = m.done
		m.bar.showBatch(m.text(now), true)
	}
	m.bar.Clear()
	m.bar.mu.Lock()
	m.bar.batch = false
	m.bar.mu.Unlock()
}

// text describes how far the batch is: "120 of about 1000 done, 3 failed, 35/s, 25s left".
func (m *Batch) text(now time.Time) string {
	text := fmt.Sprint(m.done)
	total := m.total
	switch {
	case total > 0:
		text += fmt.Sprintf(" of %d", total)
	case m.size > 0 && m.read > 0:
		total = max(int(float64(m.taken)*float64(m.size)/float64(m.read)), m.done)
		text += fmt.Sprintf(" of about %d", total)
	}
	text += " done"
	if m.failed > 0 {
		text += fmt.Sprintf(", %d failed", m.failed)
	}
	took := now.Sub(m.started)
	if took < rateAfter {
		return text
	}
	rate := float64(m.done) / took.Seconds()
	text += fmt.Sprintf(", %.3g/s", rate)
	if left := total - m.done; left > 0 && rate > 0 {
		text += fmt.Sprintf(", %s left", time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second))
	}
	return text
}

// showBatch writes the text of a batch: as the last line of a terminal, or as a line of its own.
func (b *Bar) showBatch(text string, line bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// The count is decoration: failing to show it must not fail the work.
	if line {
		_, _ = io.WriteString(b.out, "progress: "+text+"\n")
		return
	}
	b.drawn = time.Now()
	_, _ = io.WriteString(b.out, clearLine+text)
}
