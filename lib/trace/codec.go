package trace

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrMalformed reports bytes that are no trace.
var ErrMalformed = errors.New("malformed trace")

// storedTrace is the form of a trace in the journal. Times are nanoseconds since 1970.
type storedTrace struct {
	ID      string       `json:"id"`
	Spans   []storedSpan `json:"spans"`
	Dropped int          `json:"dropped,omitempty"`
}

type storedSpan struct {
	ID     string        `json:"id"`
	Parent string        `json:"parent,omitempty"`
	Name   string        `json:"name"`
	Start  int64         `json:"start"`
	End    int64         `json:"end"`
	State  string        `json:"state"`
	Error  string        `json:"error,omitempty"`
	Attrs  []storedAttr  `json:"attrs,omitempty"`
	Events []storedEvent `json:"events,omitempty"`
}

type storedAttr struct {
	Key   string `json:"k"`
	Value any    `json:"v"`
}

type storedEvent struct {
	Name  string       `json:"name"`
	At    int64        `json:"at"`
	Attrs []storedAttr `json:"attrs,omitempty"`
}

// Encode writes a trace as JSON, for [Decode].
func (t Trace) Encode() ([]byte, error) {
	out := storedTrace{ID: t.ID.String(), Dropped: t.Dropped, Spans: make([]storedSpan, len(t.Spans))}
	for i, span := range t.Spans {
		one := storedSpan{
			ID: span.ID.String(), Name: span.Name, Start: span.Start.UnixNano(), End: span.End.UnixNano(),
			State: span.State, Error: span.Error, Attrs: storeAttrs(span.Attrs),
		}
		if span.Parent != (SpanID{}) {
			one.Parent = span.Parent.String()
		}
		for _, event := range span.Events {
			one.Events = append(one.Events, storedEvent{event.Name, event.At.UnixNano(), storeAttrs(event.Attrs)})
		}
		out.Spans[i] = one
	}
	return json.Marshal(out)
}

// storeAttrs writes fractions with a dot, so that they are read as such.
func storeAttrs(attrs []Attr) (out []storedAttr) {
	for _, a := range attrs {
		if fraction, ok := a.Value.(float64); ok {
			out = append(out, storedAttr{a.Key, json.Number(strconv.FormatFloat(fraction, 'e', -1, 64))})
			continue
		}
		out = append(out, storedAttr(a))
	}
	return out
}

// Decode reads a trace. It accepts what a Recorder can have made: the bounds hold, names are unique, and the parent of
// each span comes before it. The error wraps [ErrMalformed].
func Decode(data []byte) (Trace, error) {
	var in storedTrace
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&in); err != nil {
		return Trace{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	out := Trace{Dropped: in.Dropped, Spans: make([]Span, len(in.Spans))}
	if !parseHex(out.ID[:], in.ID) || len(in.Spans) == 0 || len(in.Spans) > MaxSpans || in.Dropped < 0 {
		return Trace{}, fmt.Errorf("%w: its name or the number of its spans", ErrMalformed)
	}
	known := make(map[SpanID]bool)
	for i, span := range in.Spans {
		one, err := span.read()
		if err != nil {
			return Trace{}, err
		}
		if known[one.ID] || (i == 0) != (one.Parent == SpanID{}) || i > 0 && !known[one.Parent] {
			return Trace{}, fmt.Errorf("%w: span %d stands at a wrong place", ErrMalformed, i)
		}
		known[one.ID] = true
		out.Spans[i] = one
	}
	return out, nil
}

// parseHex fills out with lower-case hex, and reports whether it is not zero.
func parseHex(out []byte, text string) bool {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(out) || hex.EncodeToString(raw) != text {
		return false
	}
	copy(out, raw)
	return !bytes.Equal(out, make([]byte, len(out)))
}

func (s storedSpan) read() (Span, error) {
	out := Span{
		Name: s.Name, Start: time.Unix(0, s.Start).UTC(), End: time.Unix(0, s.End).UTC(), State: s.State, Error: s.Error,
	}
	bad := func(what string) (Span, error) { return out, fmt.Errorf("%w: %s of a span", ErrMalformed, what) }
	switch {
	case !parseHex(out.ID[:], s.ID), s.Parent != "" && !parseHex(out.Parent[:], s.Parent):
		return bad("the name")
	case s.Start < 0, s.End < s.Start:
		return bad("the times")
	case s.State != StateOpen && s.State != StateOK && s.State != StateFailed:
		return bad("the state")
	case bounded(s.Name) != s.Name, bounded(s.Error) != s.Error, len(s.Events) > MaxEvents:
		return bad("the size")
	}
	var err error
	if out.Attrs, err = readAttrs(s.Attrs); err != nil {
		return out, err
	}
	for _, event := range s.Events {
		one := Event{Name: event.Name, At: time.Unix(0, event.At).UTC()}
		if event.At < 0 || bounded(event.Name) != event.Name {
			return bad("an event")
		}
		if one.Attrs, err = readAttrs(event.Attrs); err != nil {
			return out, err
		}
		out.Events = append(out.Events, one)
	}
	return out, nil
}

func readAttrs(attrs []storedAttr) (out []Attr, err error) {
	if len(attrs) > MaxAttrs {
		return nil, fmt.Errorf("%w: too many attributes", ErrMalformed)
	}
	for _, a := range attrs {
		one := Attr(a)
		switch value := a.Value.(type) {
		case json.Number:
			if whole, err := value.Int64(); err == nil {
				one.Value = whole
				break
			}
			if one.Value, err = value.Float64(); err != nil {
				return nil, fmt.Errorf("%w: a number of an attribute", ErrMalformed)
			}
		case string:
			if bounded(value) != value {
				return nil, fmt.Errorf("%w: a text of an attribute", ErrMalformed)
			}
		case bool:
		default:
			return nil, fmt.Errorf("%w: the value of an attribute", ErrMalformed)
		}
		if bounded(a.Key) != a.Key {
			return nil, fmt.Errorf("%w: the name of an attribute", ErrMalformed)
		}
		out = append(out, one)
	}
	return out, nil
}
