package trace

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// clock is a clock that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

// newTest returns a clock and a recorder that uses it.
func newTest(most int) (*clock, *Recorder) {
	c := &clock{time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
	return c, NewRecorder(c.now, bytes.NewReader(bytes.Repeat([]byte{7, 1, 2, 3}, 400)), most)
}

// take returns the only trace of a recorder.
func take(t *testing.T, r *Recorder) Trace {
	t.Helper()
	traces, lost := r.Take(true)
	if len(traces) != 1 || lost != 0 {
		t.Fatalf("%d traces, %d lost", len(traces), lost)
	}
	return traces[0]
}

func TestSpansNest(t *testing.T) {
	c, r := newTest(1)
	ctx := With(t.Context(), r)
	ctx, message := Begin(ctx, SpanMessage, String(KeyHash, "ab"))
	c.pass(time.Second)
	inner, request := Start(ctx, SpanRequest, Int("attempts", 2), Bool("slow", true), Float("share", 0.5))
	_, attempt := Start(inner, SpanAttempt)
	c.pass(time.Second)
	attempt.Event(EventRetry, String(KeyReason, "late"))
	attempt.End(errors.New("silent"))
	attempt.End(nil) // too late
	request.Set(Int("attempts", 3))
	request.End(nil)
	if Current(inner) != request || Current(ctx) != message {
		t.Error("a context has another span than it was made with")
	}
	got := take(t, r)
	if len(got.Spans) != 3 || got.Spans[1].Parent != got.Spans[0].ID || got.Spans[2].Parent != got.Spans[1].ID {
		t.Fatalf("spans %+v", got.Spans)
	}
	if s := got.Spans[0]; s.State != StateOpen || s.Took() != 2*time.Second || s.Attr(KeyHash) != "ab" {
		t.Errorf("the open span is %+v", s)
	}
	if s := got.Spans[1]; s.State != StateOK || s.Attr("attempts") != "3" || s.Attr("slow") != "true" ||
		s.Attr("none") != "" || s.Took() != time.Second {
		t.Errorf("the request is %+v", s)
	}
	s := got.Spans[2]
	if s.State != StateFailed || s.Error != "silent" || len(s.Events) != 1 || s.Events[0].Attr(KeyReason) != "late" ||
		!s.Events[0].At.Equal(c.at) {
		t.Errorf("the attempt is %+v", s)
	}
	if !got.Mentions("ab") || !got.Mentions("late") || got.Mentions("") || got.Mentions("silent") {
		t.Error("Mentions finds something else than values of attributes")
	}
	if len(got.Find(SpanAttempt)) != 1 || len(got.Find(SpanPoll)) != 0 {
		t.Error("Find finds other spans")
	}
}

// Without a recorder nothing happens, and without a span no part of a trace begins.
func TestNothingIsRecordedUnasked(t *testing.T) {
	ctx, span := Begin(t.Context(), SpanSend)
	span.Set(String("a", "b"))
	span.Event(EventRetry)
	span.End(nil)
	if span != nil || ctx != t.Context() || Join(ctx, nil) != ctx {
		t.Error("a span without a recorder")
	}
	_, r := newTest(1)
	ctx = With(ctx, r)
	if inner, span := Start(ctx, SpanAttempt); span != nil || inner != ctx || Current(ctx) != nil {
		t.Error("a part of a trace without the trace")
	}
	if traces, lost := r.Take(true); len(traces) != 0 || lost != 0 {
		t.Errorf("%d traces, %d lost", len(traces), lost)
	}
	allocations := testing.AllocsPerRun(100, func() { Start(context.Background(), SpanAttempt) })
	if allocations != 0 {
		t.Errorf("a span that is not recorded costs %v allocations", allocations)
	}
}

// Work that outlives its context belongs to the trace all the same.
func TestJoin(t *testing.T) {
	_, r := newTest(1)
	_, message := Begin(With(t.Context(), r), SpanMessage)
	_, probe := Start(Join(context.Background(), message), SpanProbe)
	probe.End(nil)
	if got := take(t, r); len(got.Spans) != 2 || got.Spans[1].Parent != got.Spans[0].ID {
		t.Errorf("spans %+v", got.Spans)
	}
}

func TestTakeLeavesOpenTraces(t *testing.T) {
	_, r := newTest(2)
	ctx := With(t.Context(), r)
	_, first := Begin(ctx, SpanSend)
	_, second := Begin(ctx, SpanSend)
	if _, third := Begin(ctx, SpanSend); third != nil {
		t.Error("there is a third trace of two")
	}
	second.End(nil)
	traces, lost := r.Take(false)
	if len(traces) != 1 || lost != 1 || traces[0].Spans[0].State != StateOK {
		t.Errorf("took %+v, %d lost", traces, lost)
	}
	first.End(nil)
	if traces, lost = r.Take(false); len(traces) != 1 || lost != 0 {
		t.Errorf("took %+v, %d lost", traces, lost)
	}
}

func TestBounds(t *testing.T) {
	_, r := newTest(1)
	ctx, message := Begin(With(t.Context(), r), strings.Repeat("n", 2*MaxText))
	for range MaxSpans {
		_, span := Start(ctx, SpanAttempt)
		span.End(nil)
	}
	for range MaxEvents + 1 {
		message.Event(EventRetry, String(KeyReason, "ö"+strings.Repeat("é", MaxText)))
	}
	for i := range MaxAttrs + 1 {
		message.Set(Int(strings.Repeat("k", i+1), i))
	}
	got := take(t, r)
	if len(got.Spans) != MaxSpans || len(got.Spans[0].Events) != MaxEvents || len(got.Spans[0].Attrs) != MaxAttrs ||
		got.Dropped != 3 || len(got.Spans[0].Name) != MaxText {
		t.Errorf("%d spans, %d events, %d attributes, %d dropped", len(got.Spans), len(got.Spans[0].Events),
			len(got.Spans[0].Attrs), got.Dropped)
	}
	names := make(map[SpanID]bool)
	for _, span := range got.Spans {
		names[span.ID] = true
	}
	if len(names) != MaxSpans {
		t.Errorf("%d names for %d spans", len(names), MaxSpans)
	}
	if encoded, err := got.Encode(); err != nil {
		t.Error(err)
	} else if again, err := Decode(encoded); err != nil || !reflect.DeepEqual(again, got) {
		t.Errorf("the largest trace is read as another one: %v", err)
	}
}

// Session IDs never stand in a trace, wherever a node names them. Keys of nodes and hashes do.
func TestSessionIDsAreLeftOut(t *testing.T) {
	id := "05" + strings.Repeat("aB", 32)
	key, hash := strings.Repeat("ab", 32), strings.Repeat("cd", 64)
	_, r := newTest(1)
	_, span := Begin(With(t.Context(), r), "to "+id, String("text", id+","+id), String(KeyNode, key), String(KeyHash, hash))
	span.Event("e", Name("who", named(id)))
	span.End(errors.New(`status 400: "` + id + `"`))
	got := take(t, r).Spans[0]
	if got.Name != "to [id]" || got.Attr("text") != "[id],[id]" || got.Attr(KeyNode) != key || got.Attr(KeyHash) != hash ||
		got.Error != `status 400: "[id]"` || got.Events[0].Attr("who") != "[id]" {
		t.Errorf("the span is %+v", got)
	}
}

type named string

func (n named) String() string { return string(n) }
