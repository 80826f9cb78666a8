package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"sessiontool/commands/internal/picture"
	"sessiontool/lib/record"
	"sessiontool/lib/trace"
)

const (
	// maxTraces bounds the traces that a run holds, and maxSpilled those of them that only the journal gets.
	maxTraces  = 1024
	maxSpilled = 64
	// maxJournal is the size of a journal in bytes beyond which it becomes the old one, which is deleted with it.
	maxJournal = 1 << 20
	// journalKeeps is how long traces are shown.
	journalKeeps = 14 * 24 * time.Hour

	journalName    = "trace.journal"
	oldJournalName = "trace.journal.old"
)

// tracing is what a run records of messages, and where it goes. A nil recorder records nothing.
type tracing struct {
	files    []string // --trace
	journal  bool     // --trace-journal
	recorder *trace.Recorder
	key      *[trace.KeySize]byte // of the journal; nil before an account is open
}

// AddTraceFlag adds --trace. The command prints [record.Trace].
func (app *App) AddTraceFlag(flags *pflag.FlagSet) {
	flags.StringArrayVar(&app.tracing.files, "trace", nil,
		"write the way of each message: records to '-' or FILE.jsonl, OpenTelemetry to FILE.json,\n"+
			"a timeline to FILE.svg; may be repeated")
	flag := flags.Lookup("trace")
	flag.Value = checkedValue{flag.Value, func() error {
		for _, file := range app.tracing.files {
			if traceFormat(file) == nil {
				return errors.New("a file of traces is '-' or ends in .jsonl, .json or .svg")
			}
		}
		return nil
	}}
}

// traceFormat returns what writes traces in the format of a file, or nil for a name without one.
func traceFormat(file string) func(*App, []trace.Trace) ([]byte, error) {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".json":
		return func(app *App, traces []trace.Trace) ([]byte, error) { return trace.OTLP(traces, app.Version) }
	case ".svg":
		return func(_ *App, traces []trace.Trace) ([]byte, error) { return picture.Timeline(traces, trace.Way{}), nil }
	case ".jsonl":
		return (*App).traceLines
	}
	if file == "-" {
		return (*App).traceLines
	}
	return nil
}

// traceLines writes traces as records, one a line.
func (app *App) traceLines(traces []trace.Trace) (lines []byte, err error) {
	for _, t := range traces {
		line, err := json.Marshal(TraceRecord(t, trace.WayOf("", []trace.Trace{t}, nil, notAsked), true))
		if err != nil {
			return nil, err
		}
		lines = append(append(lines, line...), '\n')
	}
	return lines, nil
}

// notAsked is why the record of a trace says nothing of the members.
const notAsked = "the members were not asked; 'sessiontool trace HASH' of the recipient's account asks them"

// traced returns the context of a command whose messages are recorded, if that is wanted.
func (app *App) traced(ctx context.Context) context.Context {
	if len(app.tracing.files) == 0 && !app.tracing.journal {
		return ctx
	}
	app.tracing.recorder = trace.NewRecorder(app.Now, rand.Reader, maxTraces)
	return trace.With(ctx, app.tracing.recorder)
}

// writeTraces writes what was recorded, after the last diagnoses of the network.
func (app *App) writeTraces() error {
	if app.tracing.recorder == nil {
		return nil
	}
	if app.network != nil {
		app.network.Settle()
	}
	traces, lost := app.tracing.recorder.Take(true)
	if lost > 0 {
		app.Log.Warn("too many messages to trace all of them", "left_out", lost)
	}
	app.keepTraces(traces)
	var errs []error
	for _, file := range app.tracing.files {
		errs = append(errs, app.writeTraceFile(file, traces))
	}
	return errors.Join(errs...)
}

func (app *App) writeTraceFile(file string, traces []trace.Trace) error {
	if file == "-" {
		for _, t := range traces {
			if err := app.Print(TraceRecord(t, trace.WayOf("", []trace.Trace{t}, nil, notAsked), true)); err != nil {
				return err
			}
		}
		return nil
	}
	content, err := traceFormat(file)(app, traces)
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
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
	if !app.tracing.journal || app.tracing.key == nil {
		return
	}
	var entries []byte
	for _, t := range traces {
		if !worthKeeping(t) {
			continue
		}
		longer, err := trace.AppendEntry(entries, *app.tracing.key, rand.Reader, t)
		if err != nil {
			app.Log.Warn("a trace does not fit into the journal", "error", err)
			continue
		}
		entries = longer
	}
	if len(entries) == 0 {
		return
	}
	if err := app.appendJournal(entries); err != nil {
		app.Log.Warn("cannot write the journal of traces", "error", err)
	}
}

// worthKeeping is false for a poll that found nothing and did not fail.
func worthKeeping(t trace.Trace) bool {
	if t.Spans[0].Name != trace.SpanPoll || t.Spans[0].State == trace.StateFailed || len(t.Find(trace.SpanSend)) > 0 {
		return true
	}
	opened, failed := t.Opened()
	return opened+failed > 0
}

// appendJournal writes entries in one write, which other processes do not interrupt. A journal that has its size
// becomes the old one first.
func (app *App) appendJournal(entries []byte) error {
	path := filepath.Join(app.KeystoreDir, journalName)
	if info, err := os.Stat(path); err == nil && info.Size() > maxJournal {
		if err := os.Rename(path, filepath.Join(app.KeystoreDir, oldJournalName)); err != nil {
			return err
		}
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(entries)
	return errors.Join(err, file.Close())
}

// Journal returns the traces of the journal beside the keystore that are not too old, the oldest first. damaged counts
// entries that do not open. The account that was opened last gives the key.
func (app *App) Journal() (traces []trace.Trace, damaged int, err error) {
	if app.tracing.key == nil {
		return nil, 0, errors.New("the journal opens with an account")
	}
	for _, name := range []string{oldJournalName, journalName} {
		content, err := os.ReadFile(filepath.Join(app.KeystoreDir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, damaged, fmt.Errorf("journal of traces: %w", err)
		}
		read, bad := trace.ReadJournal(content, *app.tracing.key)
		damaged += bad
		for _, t := range read {
			if app.Now().Sub(t.Spans[0].Start) <= journalKeeps {
				traces = append(traces, t)
			}
		}
	}
	return traces, damaged, nil
}

// TraceRecord returns the record of a trace. Spans are left out unless they are wanted.
func TraceRecord(t trace.Trace, way trace.Way, spans bool) record.Trace {
	out := record.Trace{
		Type: record.TypeTrace, MessageHash: way.Hash, Arrived: way.Arrived, StoppedAt: way.StoppedAt, Why: way.Why,
		Stages: []record.TraceStage{}, Members: []record.TraceMember{}, Detours: []record.TraceDetour{},
		Spans: []record.TraceSpan{}, Dropped: t.Dropped,
	}
	if len(t.Spans) > 0 {
		out.TraceID, out.At, out.Millis = t.ID.String(), record.Time(t.Spans[0].Start), millis(t.Spans[0].Took())
	}
	if way.Hash == "" && len(t.Spans) > 0 && t.Spans[0].Name != trace.SpanMessage {
		way.Stages, out.StoppedAt, out.Why = nil, "", t.Summary()
	}
	for _, stage := range way.Stages {
		one := record.TraceStage{Stage: stage.Name, State: stage.State, Millis: millis(stage.Took), Detail: stage.Text}
		if !stage.At.IsZero() {
			one.At = record.Time(stage.At)
		}
		out.Stages = append(out.Stages, one)
	}
	for _, m := range way.Members {
		out.Members = append(out.Members, record.TraceMember{
			PubkeyEd25519: m.Node, Address: m.Address, Reachable: m.Reachable, Holds: m.Holds, At: record.Time(m.AskedAt),
			Error: m.Error,
		})
	}
	for _, d := range way.Detours {
		out.Detours = append(out.Detours, record.TraceDetour{
			Method: d.Method, Target: d.Target, Attempts: d.Attempts, Probes: d.Probes, Answered: d.Answered,
			Culprit: d.Culprit, Place: d.Place, Agreed: d.Agreed, LostMS: millis(d.Lost), Detail: d.Text,
		})
	}
	if spans && len(t.Spans) > 0 {
		out.Spans = spanRecords(t)
	}
	return out
}

func spanRecords(t trace.Trace) (out []record.TraceSpan) {
	began := t.Spans[0].Start
	for _, span := range t.Spans {
		one := record.TraceSpan{
			SpanID: span.ID.String(), Name: span.Name, OffsetMS: millis(span.Start.Sub(began)), Millis: millis(span.Took()),
			State: span.State, Error: span.Error, Attributes: attributes(span.Attrs), Events: []record.TraceEvent{},
		}
		if span.Parent != (trace.SpanID{}) {
			one.ParentID = span.Parent.String()
		}
		for _, event := range span.Events {
			one.Events = append(one.Events, record.TraceEvent{
				Event: event.Name, OffsetMS: millis(event.At.Sub(began)), Attributes: attributes(event.Attrs),
			})
		}
		out = append(out, one)
	}
	return out
}

func attributes(attrs []trace.Attr) map[string]any {
	out := make(map[string]any, len(attrs))
	for _, a := range attrs {
		out[a.Key] = a.Value
	}
	return out
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
