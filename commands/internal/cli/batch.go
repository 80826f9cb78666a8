package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// batchLineEvery spaces the lines of --progress where stderr is no terminal.
	batchLineEvery = 10 * time.Second
	// batchRateAfter is how long a batch must run before a rate is worth a prophecy.
	batchRateAfter = 500 * time.Millisecond
)

// batchMeter counts the items of a batch. On a terminal it is the last line, in place of other progress; with --progress
// it is a line now and then. A nil meter counts nothing. It is safe for concurrent use.
type batchMeter struct {
	app   *App
	lines bool // stderr is no terminal
	size  int64

	mu           sync.Mutex
	started      time.Time
	shown        time.Time
	taken, total int // items that were taken from the source, and all of them; 0 if that is not known
	read         int64
	done, failed int
}

// meterBatch begins to count a batch of total items, or of as many as stdin has if total is 0.
func (app *App) meterBatch(total int) *batchMeter {
	terminal := app.Streams.ErrIsTerminal && app.Streams.Env("TERM") != "dumb"
	if app.logging.quiet || !terminal && !app.logging.progress {
		return nil
	}
	now := time.Now()
	m := &batchMeter{app: app, lines: !terminal, total: total, started: now, shown: now}
	if in, ok := app.Streams.In.(interruptible); ok && total == 0 {
		m.size = sizeOf(in.file)
	}
	app.bar.mu.Lock()
	app.bar.batch = terminal
	app.bar.mu.Unlock()
	return m
}

// sizeOf returns the size of a regular file, else 0.
func sizeOf(file *os.File) int64 {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}

// take counts an item that was taken from the source, of which read bytes are read in all.
func (m *batchMeter) take(read int64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken++
	m.read = max(m.read, read)
}

// finish counts an item that is done, and shows the count if it is time.
func (m *batchMeter) finish(err error) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done++
	if err != nil {
		m.failed++
	}
	every := progressEvery
	if m.lines {
		every = batchLineEvery
	}
	now := time.Now()
	if now.Sub(m.started) < progressAfter || now.Sub(m.shown) < every {
		return
	}
	m.shown = now
	m.app.bar.showBatch(m.text(now), m.lines)
}

// end removes the count from the terminal, or prints the last line of one that was shown.
func (m *batchMeter) end() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := time.Now(); m.lines && m.shown.After(m.started) {
		m.total = m.done
		m.app.bar.showBatch(m.text(now), true)
	}
	m.app.bar.clear()
	m.app.bar.mu.Lock()
	m.app.bar.batch = false
	m.app.bar.mu.Unlock()
}

// text describes how far the batch is: "120 of about 1000 done, 3 failed, 35/s, 25s left".
func (m *batchMeter) text(now time.Time) string {
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
	if took < batchRateAfter {
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
func (b *progressBar) showBatch(text string, line bool) {
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
