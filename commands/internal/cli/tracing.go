package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/spf13/pflag"

	"sessiontool/commands/internal/tracefiles"
	"sessiontool/lib/trace"
)

const (
	// maxTraces bounds the traces that a run holds, and maxSpilled those of them that only the journal gets.
	maxTraces  = 1024
	maxSpilled = 64
	// settlePatience is how long a run waits for the diagnosis of a late answer, whose result belongs to the trace. It is
	// enough for a guard that hangs in a network of which nothing is known yet.
	settlePatience = 4 * time.Second
)

// tracing is what a run records of messages, and where it goes. A nil recorder records nothing.
type tracing struct {
	files    []string // --trace
	keep     bool     // --trace-journal
	recorder *trace.Recorder
	journal  *tracefiles.Journal // nil before an account is open
}

// AddTraceFlag adds --trace. The command prints [record.Trace].
func (app *App) AddTraceFlag(flags *pflag.FlagSet) {
	flags.StringArrayVar(&app.tracing.files, "trace", nil,
		"write the way of each message: records to '-' or FILE.jsonl, OpenTelemetry to FILE.json,\n"+
			"a timeline to FILE.svg; may be repeated")
	refuse(flags, "trace", func() error {
		file := app.tracing.files[len(app.tracing.files)-1]
		if err := tracefiles.Check(file); err != nil {
			return err
		}
		return tracefiles.CheckWritable(file) // before anything is sent
	})
}

// traced returns the context of a command whose messages are recorded, if that is wanted.
func (app *App) traced(ctx context.Context) context.Context {
	if len(app.tracing.files) == 0 && !app.tracing.keep {
		return ctx
	}
	app.tracing.recorder = trace.NewRecorder(app.Now, rand.Reader, maxTraces)
	return trace.With(ctx, app.tracing.recorder)
}

// writeTraces writes what was recorded, after the last diagnoses of the network. It returns err, the end of the command,
// or its own error if the command has none. A file that cannot be written is ErrPartial, not what made it fail: that would
// call for the same command again, which sends the messages again.
func (app *App) writeTraces(err error) error {
	if app.tracing.recorder == nil {
		return err
	}
	if app.network != nil {
		app.network.Settle(settlePatience)
	}
	traces, lost := app.tracing.recorder.Take(true)
	if lost > 0 {
		app.Log.Warn("too many messages to trace all of them", "left_out", lost)
	}
	if err != nil && len(traces) == 0 {
		return err // a failed run leaves no empty file
	}
	app.keepTraces(traces)
	var errs []error
	for _, file := range app.tracing.files {
		if file != tracefiles.Stdout {
			if err := tracefiles.Write(file, app.Version, traces); err != nil {
				errs = append(errs, WithCode(ErrPartial, errors.New("all is done but the trace: "+err.Error())))
			}
			continue
		}
		for _, one := range tracefiles.Records(traces) {
			errs = append(errs, app.Print(one))
		}
	}
	failure := errors.Join(errs...)
	if err != nil && failure != nil {
		app.Log.Warn("cannot write traces", "error", failure)
	}
	if err != nil {
		return err
	}
	return failure
}

// spillTraces moves finished traces to the journal, in runs that last.
func (app *App) spillTraces() {
	if app.tracing.recorder == nil || len(app.tracing.files) > 0 || app.tracing.recorder.Waiting() < maxSpilled {
		return
	}
	traces, _ := app.tracing.recorder.Take(false)
	app.keepTraces(traces)
}

// keepTraces appends traces to the journal, if there is one. A failure is logged: the messages are on their way.
func (app *App) keepTraces(traces []trace.Trace) {
	if !app.tracing.keep || app.tracing.journal == nil {
		return
	}
	if err := app.tracing.journal.Append(traces); err != nil {
		app.Log.Warn("cannot write the journal of traces", "error", err)
	}
}

// openJournal prepares the journal beside the keystore, with a key that an opened account gives.
func (app *App) openJournal(key [trace.KeySize]byte) {
	app.tracing.journal = &tracefiles.Journal{Dir: app.KeystoreDir, Key: key, Random: rand.Reader}
}

// Journal returns the traces of the journal, the oldest first. damaged counts entries that do not open. An account must
// be open.
func (app *App) Journal() (traces []trace.Trace, damaged int, err error) {
	return app.tracing.journal.Read(app.Now())
}
