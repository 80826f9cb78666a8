// Package tracefiles writes traces: as records, as files of all formats, and into the journal beside a keystore.
package tracefiles

import (
	"time"

	"sessiontool/lib/record"
	"sessiontool/lib/trace"
)

// Record returns the record of a trace. Spans are left out unless they are wanted.
func Record(t trace.Trace, way trace.Way, spans bool) record.Trace {
	out := record.Trace{
		Type: record.TypeTrace, MessageHash: way.Hash, Arrived: way.Arrived, StoppedAt: way.StoppedAt, Why: way.Why,
		Stages: []record.TraceStage{}, Members: []record.TraceMember{}, Detours: []record.TraceDetour{},
		Spans: []record.TraceSpan{}, Dropped: t.Dropped,
	}
	if len(t.Spans) > 0 {
		out.TraceID, out.At, out.Millis = t.ID.String(), record.Time(t.Spans[0].Start), millis(t.Spans[0].Took())
	}
	if !aboutMessage(t, way) {
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

// aboutMessage is false for the trace of a poll or a call.
func aboutMessage(t trace.Trace, way trace.Way) bool {
	return way.Hash != "" || len(t.Spans) == 0 || t.Spans[0].Name == trace.SpanMessage ||
		t.Spans[0].Name == trace.SpanSend
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
