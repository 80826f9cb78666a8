// Package trace records the way of a message: spans, each with a beginning, an end and attributes, from the sealed draft
// to the opened text. It writes traces as OpenTelemetry JSON and into a journal, and says where a message stopped.
//
// A [Recorder] collects traces. Code that does a part of the work calls [Start] with its context, which costs one look
// into the context and no more while nothing is recorded. A trace names service nodes and hashes of messages. It has no
// Session ID, no text, no key and no address of a user: code must not put them into an attribute.
package trace

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// The bounds of what a Recorder keeps. What is beyond them is counted as dropped.
const (
	MaxSpans  = 512 // of a trace
	MaxAttrs  = 32  // of a span or an event
	MaxEvents = 300 // of a span
	MaxText   = 300 // bytes of a name or an attribute
)

// Attr is a named value: a string, an int64, a float64 or a bool.
type Attr struct {
	Key   string
	Value any
}

// String is an attribute with a text.
func String(key, value string) Attr { return Attr{key, value} }

// Name is an attribute with the text of a name, such as the key of a node. It is made only if it is recorded.
func Name(key string, value fmt.Stringer) Attr { return Attr{key, value} }

// Int is an attribute with a number.
func Int[T ~int | ~int64](key string, value T) Attr { return Attr{key, int64(value)} }

// Float is an attribute with a fraction.
func Float(key string, value float64) Attr { return Attr{key, value} }

// Bool is an attribute with a truth value.
func Bool(key string, value bool) Attr { return Attr{key, value} }

// Error is the attribute with an error, or with an empty text for nil.
func Error(err error) Attr {
	if err == nil {
		return Attr{"error", ""}
	}
	return Attr{"error", err.Error()}
}

// plain returns the attribute in the form in which it is kept.
func (a Attr) plain() Attr {
	switch value := a.Value.(type) {
	case string:
		a.Value = bounded(value)
	case fmt.Stringer:
		a.Value = bounded(value.String())
	}
	a.Key = bounded(a.Key)
	return a
}

// bounded returns a text of at most MaxText bytes, without Session IDs.
func bounded(text string) string {
	text = withoutIDs(text)
	if len(text) <= MaxText && utf8.ValidString(text) {
		return text
	}
	return strings.ToValidUTF8(text[:min(len(text), MaxText)], "")
}

// sessionIDDigits is the length of a Session ID in hex. Keys of nodes have 64 digits, and hashes of messages 128.
const sessionIDDigits = 66

// withoutIDs replaces Session IDs in a text: nodes may name them in their errors.
func withoutIDs(text string) string {
	from := 0
	for at := 0; at <= len(text); at++ {
		if at < len(text) && isHex(text[at]) {
			continue
		}
		if at-from == sessionIDDigits {
			text = text[:from] + "[id]" + text[at:]
			at = from + len("[id]")
		}
		from = at + 1
	}
	return text
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

// The states of a span.
const (
	StateOpen   = "open" // not ended when the trace was read
	StateOK     = "ok"
	StateFailed = "failed"
)

// ID names a trace, and SpanID a span within it. Zero is no name.
type (
	ID     [16]byte
	SpanID [8]byte
)

// String returns the name in hex.
func (id ID) String() string { return fmt.Sprintf("%x", id[:]) }

// String returns the name in hex.
func (id SpanID) String() string { return fmt.Sprintf("%x", id[:]) }

// Span is a part of a trace. The first one of a trace has no parent. An open span ends where the trace was read.
type Span struct {
	ID     SpanID
	Parent SpanID
	Name   string
	Start  time.Time
	End    time.Time
	State  string
	Error  string // why it failed
	Attrs  []Attr
	Events []Event
}

// Event is a moment of a span.
type Event struct {
	Name  string
	At    time.Time
	Attrs []Attr
}

// Attr returns the text of an attribute, or nothing.
func (s Span) Attr(key string) string { return attr(s.Attrs, key) }

// Attr returns the text of an attribute, or nothing.
func (e Event) Attr(key string) string { return attr(e.Attrs, key) }

func attr(attrs []Attr, key string) string {
	for _, a := range attrs {
		if a.Key == key {
			return fmt.Sprint(a.Value)
		}
	}
	return ""
}

// Took is how long the span lasted.
func (s Span) Took() time.Duration { return s.End.Sub(s.Start) }

// Trace is the way of one message, or one poll. Spans are in the order in which they began. Dropped counts the spans,
// attributes and events beyond the bounds.
type Trace struct {
	ID      ID
	Spans   []Span
	Dropped int
}

// Find returns the spans with a name.
func (t Trace) Find(name string) (found []Span) {
	for _, span := range t.Spans {
		if span.Name == name {
			found = append(found, span)
		}
	}
	return found
}

// Mentions reports whether a span or an event has an attribute with this value. It finds the traces of a message by its
// hash.
func (t Trace) Mentions(value string) bool {
	has := func(a Attr) bool { return a.Value == value }
	return value != "" && slices.ContainsFunc(t.Spans, func(s Span) bool {
		return slices.ContainsFunc(s.Attrs, has) ||
			slices.ContainsFunc(s.Events, func(e Event) bool { return slices.ContainsFunc(e.Attrs, has) })
	})
}

// Recorder collects traces. It is safe for concurrent use.
type Recorder struct {
	now    func() time.Time
	random io.Reader
	most   int // traces that wait for Take

	mu     sync.Mutex
	traces []*traced
	lost   int
}

// NewRecorder makes a recorder of up to most traces. Times come from now, and names of traces from random.
func NewRecorder(now func() time.Time, random io.Reader, most int) *Recorder {
	return &Recorder{now: now, random: random, most: most}
}

// traced is a trace that is recorded. The recorder's mutex guards it.
type traced struct {
	recorder *Recorder
	id       ID
	spans    []*Recording
	dropped  int
}

// Recording is a span that is recorded. A nil Recording records nothing. It is safe for concurrent use.
type Recording struct {
	trace *traced
	span  Span // guarded by the recorder's mutex
}

type contextKey struct{}

// position is what a context has: a recorder, and the span that new ones belong to. span is nil at the beginning.
type position struct {
	recorder *Recorder
	span     *Recording
}

// With returns a context whose work r records.
func With(ctx context.Context, r *Recorder) context.Context {
	return context.WithValue(ctx, contextKey{}, position{recorder: r})
}

// Start begins a span within that of ctx. The caller ends it. Without a span in ctx it returns ctx and nil.
func Start(ctx context.Context, name string, attrs ...Attr) (context.Context, *Recording) {
	at, _ := ctx.Value(contextKey{}).(position)
	if at.span == nil {
		return ctx, nil
	}
	return at.recorder.begin(ctx, at.span, name, attrs)
}

// Begin is Start, but without a span in ctx it begins a new trace, if there is a recorder.
func Begin(ctx context.Context, name string, attrs ...Attr) (context.Context, *Recording) {
	at, _ := ctx.Value(contextKey{}).(position)
	if at.recorder == nil {
		return ctx, nil
	}
	return at.recorder.begin(ctx, at.span, name, attrs)
}

// Current returns the span of ctx, or nil.
func Current(ctx context.Context) *Recording {
	at, _ := ctx.Value(contextKey{}).(position)
	return at.span
}

// Join returns ctx with the span of a recording: for work in another context that belongs to it.
func Join(ctx context.Context, r *Recording) context.Context {
	if r == nil {
		return ctx
	}
	return context.WithValue(ctx, contextKey{}, position{r.trace.recorder, r})
}

// begin begins a span, and a trace if there is no parent. It returns nil beyond the bounds.
func (r *Recorder) begin(ctx context.Context, parent *Recording, name string, attrs []Attr) (context.Context,
	*Recording) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := &Recording{span: Span{Name: bounded(name), Start: r.now(), State: StateOpen}}
	if parent == nil {
		t := &traced{recorder: r}
		if _, err := io.ReadFull(r.random, t.id[:]); err != nil || len(r.traces) >= r.most {
			r.lost++
			return ctx, nil
		}
		r.traces = append(r.traces, t)
		one.trace = t
	} else {
		one.trace, one.span.Parent = parent.trace, parent.span.ID
	}
	t := one.trace
	if len(t.spans) >= MaxSpans {
		t.dropped++
		return ctx, nil
	}
	t.spans = append(t.spans, one)
	// The name of a span is that of its trace with its number in it: unique there, and never zero.
	copy(one.span.ID[:], t.id[:6])
	one.span.ID[6], one.span.ID[7] = byte(len(t.spans)>>8), byte(len(t.spans))
	one.set(attrs)
	return context.WithValue(ctx, contextKey{}, position{r, one}), one
}

// set adds or replaces attributes. The recorder's mutex is held.
func (r *Recording) set(attrs []Attr) {
	for _, a := range attrs {
		a = a.plain()
		i := slices.IndexFunc(r.span.Attrs, func(b Attr) bool { return a.Key == b.Key })
		switch {
		case i >= 0:
			r.span.Attrs[i] = a
		case len(r.span.Attrs) < MaxAttrs:
			r.span.Attrs = append(r.span.Attrs, a)
		default:
			r.trace.dropped++
		}
	}
}

// Set adds or replaces attributes.
func (r *Recording) Set(attrs ...Attr) {
	if r == nil {
		return
	}
	r.trace.recorder.mu.Lock()
	defer r.trace.recorder.mu.Unlock()
	r.set(attrs)
}

// Event records a moment.
func (r *Recording) Event(name string, attrs ...Attr) {
	if r == nil {
		return
	}
	r.trace.recorder.mu.Lock()
	defer r.trace.recorder.mu.Unlock()
	if len(r.span.Events) >= MaxEvents {
		r.trace.dropped++
		return
	}
	event := Event{Name: bounded(name), At: r.trace.recorder.now()}
	for _, a := range attrs[:min(len(attrs), MaxAttrs)] {
		event.Attrs = append(event.Attrs, a.plain())
	}
	r.span.Events = append(r.span.Events, event)
}

// End ends the span: it failed if err is not nil. Only the first end counts.
func (r *Recording) End(err error) {
	if r == nil {
		return
	}
	r.trace.recorder.mu.Lock()
	defer r.trace.recorder.mu.Unlock()
	if r.span.State != StateOpen {
		return
	}
	r.span.End, r.span.State = r.trace.recorder.now(), StateOK
	if err != nil {
		r.span.State, r.span.Error = StateFailed, bounded(err.Error())
	}
}

// Waiting returns the number of traces that Take(true) would return.
func (r *Recorder) Waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.traces)
}

// Take returns the traces whose first span has ended, or all if open is set, and forgets them. lost counts the traces
// beyond the bound since the last Take. Spans that end later are lost.
func (r *Recorder) Take(open bool) (traces []Trace, lost int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var kept []*traced
	for _, t := range r.traces {
		if !open && t.spans[0].span.State == StateOpen {
			kept = append(kept, t)
			continue
		}
		traces = append(traces, t.read(r.now()))
	}
	lost, r.lost, r.traces = r.lost, 0, kept
	return traces, lost
}

// read copies the trace. The recorder's mutex is held.
func (t *traced) read(now time.Time) Trace {
	out := Trace{ID: t.id, Spans: make([]Span, len(t.spans)), Dropped: t.dropped}
	for i, one := range t.spans {
		span := one.span
		span.Attrs, span.Events = slices.Clone(span.Attrs), slices.Clone(span.Events)
		if span.State == StateOpen {
			span.End = now
		}
		out.Spans[i] = span
	}
	return out
}
