package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// pipeAtomic is how many bytes a ready pipe takes without blocking, and which other writers do not interrupt.
var pipeAtomic = map[bool]int{true: 4096, false: 512}[runtime.GOOS == "linux"]

const (
	// errorGrace is how long the end of a command waits for the reader of stderr.
	errorGrace = time.Second
	// readerCheck is how often systems are asked whether stdout still has a reader that do not report it by themselves.
	readerCheck = time.Second
)

// errReaderGone is the cause of a context that ended because stdout has no reader any more.
var errReaderGone = fmt.Errorf("the reader of stdout is gone: %w", syscall.EPIPE)

// steadyWriter writes to a stream whose reader may have stopped reading. When its context ends, Write returns although
// the reader does not: after the grace, with the cause.
type steadyWriter struct {
	out   io.Writer
	file  *os.File
	grace time.Duration

	mu  sync.Mutex
	ctx context.Context
}

// steady returns a writer for a stream. Files on disks take everything, so that only pipes, sockets and terminals need
// one.
func steady(out io.Writer, file *os.File, grace time.Duration) io.Writer {
	if file == nil {
		return out
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket|os.ModeCharDevice) == 0 {
		return out
	}
	return &steadyWriter{out: out, file: file, grace: grace, ctx: context.Background()}
}

// until makes Write return when ctx ends.
func until(ctx context.Context, out io.Writer) {
	if w, ok := out.(*steadyWriter); ok {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ctx = ctx
	}
}

// Write implements io.Writer. It writes in parts that a ready pipe takes without blocking.
func (w *steadyWriter) Write(data []byte) (written int, err error) {
	w.mu.Lock()
	ctx := w.ctx
	w.mu.Unlock()
	for written < len(data) {
		if err := w.await(ctx); err != nil {
			return written, err
		}
		n, err := w.out.Write(data[written:min(written+pipeAtomic, len(data))])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// await waits until the file takes a part, as long as ctx and the grace allow.
func (w *steadyWriter) await(ctx context.Context) error {
	err := awaitOutput(ctx, w.file)
	if err == nil || w.grace == 0 {
		return err
	}
	graced, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.grace)
	defer cancel()
	return awaitOutput(graced, w.file)
}

// untilUnread returns a context that also ends, with errReaderGone, when stdout is a pipe without a reader. Release stops
// watching.
func (app *App) untilUnread(parent context.Context) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(parent)
	w, ok := app.printer.out.(*steadyWriter)
	if !ok {
		return ctx, func() { cancel(nil) }
	}
	var watching sync.WaitGroup
	watching.Go(func() {
		if awaitNoReader(ctx, w.file) == nil {
			cancel(errReaderGone)
		}
	})
	return ctx, func() {
		cancel(nil)
		watching.Wait()
	}
}

// WhileRead runs do, and ends it when stdout is a pipe whose reader is gone.
func (app *App) WhileRead(ctx context.Context, do func(context.Context) error) error {
	ctx, release := app.untilUnread(ctx)
	defer release()
	err := do(ctx)
	if cause := context.Cause(ctx); errors.Is(cause, errReaderGone) {
		return cause
	}
	return err
}
