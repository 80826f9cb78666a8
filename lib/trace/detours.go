package trace

import (
	"fmt"
	"strings"
	"time"
)

// Detour is a request that needed more than its first path. Culprit is the node at fault and Place its place on the
// path; both are empty if no fault was found. Agreed says that the fault shows through two guards. Lost is the time that
// passed before the path that has answered was tried; it is the whole time if none has.
type Detour struct {
	Method   string
	Target   string
	Attempts int
	Probes   int
	Culprit  string
	Place    string
	Agreed   bool
	Answered bool
	Lost     time.Duration
	Text     string
}

// Opened counts the messages that a trace shows as opened, and those that could not be. Messages that were received
// before do not count.
func (t Trace) Opened() (opened, failed int) {
	for _, span := range t.Spans {
		for _, event := range span.Events {
			switch {
			case event.Name != EventMessage || event.Attr("duplicate") == "true":
			case event.Attr("failure") != "":
				failed++
			default:
				opened++
			}
		}
	}
	return opened, failed
}

// Summary says in a few words what a trace is of that does not belong to one message.
func (t Trace) Summary() string {
	if len(t.Spans) == 0 {
		return ""
	}
	root := t.Spans[0]
	text := root.Name
	if root.Name == SpanPoll {
		opened, failed := t.Opened()
		text = fmt.Sprintf("poll: %d new %s", opened, plural(opened, "message", "messages"))
		if failed > 0 {
			text += fmt.Sprintf(", and %d that cannot be opened", failed)
		}
	}
	if root.State == StateFailed {
		text += "; failed: " + root.Error
	}
	return text
}

// Detours returns the requests of a trace that needed more than their first path, or whose path was examined and has a
// node at fault.
func Detours(t Trace) (detours []Detour) {
	for _, request := range t.Spans {
		if request.Name != SpanRequest {
			continue
		}
		d := Detour{Method: request.Attr(KeyMethod), Target: request.Attr("target"), Lost: request.Took()}
		var attempts []Span
		diagnoses := make(map[SpanID]bool)
		for _, span := range t.Spans {
			switch {
			case span.Name == SpanAttempt && span.Parent == request.ID:
				attempts = append(attempts, span)
				if span.State == StateOK && !d.Answered {
					d.Answered, d.Lost = true, span.Start.Sub(request.Start)
				}
			case span.Name == SpanDiagnosis && span.Parent == request.ID:
				diagnoses[span.ID] = true
				if span.Attr("culprit") != "" && (d.Culprit == "" || span.Attr("agreed") == "true") {
					d.Culprit, d.Place, d.Agreed = span.Attr("culprit"), span.Attr("place"), span.Attr("agreed") == "true"
				}
			case span.Name == SpanProbe && diagnoses[span.Parent]:
				d.Probes++
			}
		}
		if d.Attempts = len(attempts); d.Attempts > 1 || d.Culprit != "" {
			d.Text = d.words(attempts)
			detours = append(detours, d)
		}
	}
	return detours
}

// words describes a detour.
func (d Detour) words(attempts []Span) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s to %s", d.Method, short(d.Target))
	for i, attempt := range attempts {
		fmt.Fprintf(&b, "; path %d, %s: ", i+1, hopsOf(attempt))
		if attempt.State == StateOK {
			fmt.Fprintf(&b, "answer after %s", attempt.Took().Round(time.Millisecond))
		} else {
			fmt.Fprintf(&b, "%s (%s)", attempt.Error, attempt.Took().Round(time.Millisecond))
		}
	}
	switch {
	case d.Culprit != "" && d.Agreed:
		fmt.Fprintf(&b, "; %s (%s) is at fault: it hangs or fails through two guards", d.Place, short(d.Culprit))
	case d.Culprit != "":
		fmt.Fprintf(&b, "; %s (%s) is suspected, through one guard", d.Place, short(d.Culprit))
	}
	fmt.Fprintf(&b, "; cost: %d more %s, %d %s, %s later", max(d.Attempts-1, 0),
		plural(d.Attempts-1, "request", "requests"), d.Probes, plural(d.Probes, "probe", "probes"),
		d.Lost.Round(time.Millisecond))
	return b.String()
}
