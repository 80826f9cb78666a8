package cli

import (
	"os"

	"sessiontool/commands/internal/progress"
)

// CanDraw reports whether stderr is a terminal that can redraw lines, and --quiet is not set.
func (app *App) CanDraw() bool {
	return app.Streams.ErrIsTerminal && !app.logging.quiet && app.Streams.Env("TERM") != "dumb"
}

// Progress begins a piece of work. It returns nil if stderr is not a terminal that can show a bar, and with --quiet.
func (app *App) Progress(what string) *progress.Work {
	if !app.CanDraw() {
		return nil
	}
	return app.bar.Begin(what)
}

// countBatch begins to count a batch of total items, or of as many as stdin has if total is 0. It returns nil if stderr
// cannot show a count and --progress does not ask for lines, and with --quiet.
func (app *App) countBatch(total int) *progress.Batch {
	if app.logging.quiet || !app.CanDraw() && !app.logging.progress {
		return nil
	}
	var size int64
	if in, ok := app.Streams.In.(interruptible); ok && total == 0 {
		size = sizeOf(in.file)
	}
	return app.bar.Count(total, size, !app.CanDraw())
}

// sizeOf returns the size of a regular file, else 0.
func sizeOf(file *os.File) int64 {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}
