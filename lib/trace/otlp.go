package trace

import (
	"encoding/json"
	"strconv"
)

// The JSON form of OpenTelemetry's TracesData (OTLP 1, opentelemetry.io/docs/specs/otlp): names of traces and spans are
// hex, and 64-bit numbers are texts.

type otlpData struct {
	ResourceSpans []otlpResource `json:"resourceSpans"`
}

type otlpResource struct {
	Resource   otlpAttributes `json:"resource"`
	ScopeSpans []otlpScope    `json:"scopeSpans"`
}

type otlpAttributes struct {
	Attributes []otlpAttr `json:"attributes"`
}

type otlpScope struct {
	Scope otlpName   `json:"scope"`
	Spans []otlpSpan `json:"spans"`
}

type otlpName struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

type otlpSpan struct {
	TraceID    string      `json:"traceId"`
	SpanID     string      `json:"spanId"`
	Parent     string      `json:"parentSpanId,omitempty"`
	Name       string      `json:"name"`
	Kind       int         `json:"kind"`
	Start      string      `json:"startTimeUnixNano"`
	End        string      `json:"endTimeUnixNano"`
	Attributes []otlpAttr  `json:"attributes,omitempty"`
	Events     []otlpEvent `json:"events,omitempty"`
	Status     otlpStatus  `json:"status"`
}

type otlpEvent struct {
	Time       string     `json:"timeUnixNano"`
	Name       string     `json:"name"`
	Attributes []otlpAttr `json:"attributes,omitempty"`
}

type otlpAttr struct {
	Key   string    `json:"key"`
	Value otlpValue `json:"value"`
}

// otlpValue has one of its fields.
type otlpValue struct {
	String *string  `json:"stringValue,omitempty"`
	Int    string   `json:"intValue,omitempty"`
	Double *float64 `json:"doubleValue,omitempty"`
	Bool   *bool    `json:"boolValue,omitempty"`
}

type otlpStatus struct {
	Code    int    `json:"code,omitempty"` // 1 ok, 2 error, unset otherwise
	Message string `json:"message,omitempty"`
}

// Kinds of spans, and codes of their status.
const (
	otlpInternal = 1
	otlpClient   = 3
	otlpOK       = 1
	otlpError    = 2
)

// OTLP writes traces as one OpenTelemetry JSON document, as Jaeger, Tempo and the collector's file receiver read it.
func OTLP(traces []Trace, version string) ([]byte, error) {
	scope := otlpScope{Scope: otlpName{"sessiontool/lib/trace", version}, Spans: []otlpSpan{}}
	for _, t := range traces {
		for _, span := range t.Spans {
			scope.Spans = append(scope.Spans, otlpSpanOf(t.ID, span))
		}
	}
	return json.Marshal(otlpData{[]otlpResource{{
		Resource: otlpAttributes{otlpAttrs([]Attr{
			String("service.name", "sessiontool"), String("service.version", version),
		})},
		ScopeSpans: []otlpScope{scope},
	}}})
}

func otlpSpanOf(id ID, span Span) otlpSpan {
	out := otlpSpan{
		TraceID: id.String(), SpanID: span.ID.String(), Name: span.Name, Kind: otlpInternal,
		Start: strconv.FormatInt(span.Start.UnixNano(), 10), End: strconv.FormatInt(span.End.UnixNano(), 10),
		Attributes: otlpAttrs(span.Attrs),
	}
	if span.Parent != (SpanID{}) {
		out.Parent = span.Parent.String()
	}
	if span.Name == SpanAttempt || span.Name == SpanProbe || span.Name == SpanSeed {
		out.Kind = otlpClient
	}
	switch span.State {
	case StateOK:
		out.Status.Code = otlpOK
	case StateFailed:
		out.Status = otlpStatus{otlpError, span.Error}
	}
	for _, event := range span.Events {
		out.Events = append(out.Events, otlpEvent{
			strconv.FormatInt(event.At.UnixNano(), 10), event.Name, otlpAttrs(event.Attrs),
		})
	}
	return out
}

func otlpAttrs(attrs []Attr) (out []otlpAttr) {
	for _, a := range attrs {
		one := otlpAttr{Key: a.Key}
		switch value := a.Value.(type) {
		case string:
			one.Value.String = &value
		case int64:
			one.Value.Int = strconv.FormatInt(value, 10)
		case float64:
			one.Value.Double = &value
		case bool:
			one.Value.Bool = &value
		}
		out = append(out, one)
	}
	return out
}
