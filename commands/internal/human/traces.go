package human

import (
	"fmt"
	"strings"

	"sessiontool/lib/record"
)

// traceMarks are the signs and colours of the states of a stage.
var traceMarks = map[string]struct {
	mark, color string
}{
	"done": {"ok", green}, "failed": {"FAIL", red}, "waiting": {"...", amber}, "unknown": {"?", amber}, "skipped": {"-", ""},
}

// trace shows where a message stopped, its stages and its detours. Spans are for pictures and programs.
func (w *Writer) trace(t record.Trace) string {
	if t.MessageHash == "" && len(t.Stages) == 0 {
		return fmt.Sprintf("%s  %s, %.0f ms\n", t.TraceID, Harmless(t.Why), t.Millis)
	}
	verdict, color := t.Why, amber
	switch {
	case t.StoppedAt != "":
		verdict, color = "stopped at "+t.StoppedAt+": "+t.Why, red
	case t.Arrived:
		color = green
	}
	var b strings.Builder
	fmt.Fprintf(&b, "message %s: %s\n", cut(t.MessageHash, 16), w.paint(Harmless(verdict), color))
	for _, stage := range t.Stages {
		mark := traceMarks[stage.State]
		took := ""
		if stage.Millis > 0 {
			took = fmt.Sprintf("%.1f ms", stage.Millis)
		}
		fmt.Fprintf(&b, "  %s  %s%s%s\n", w.paint(pad(mark.mark, 4), mark.color), pad(stage.Stage, 12), pad(took, 12),
			Harmless(stage.Detail))
	}
	for _, detour := range t.Detours {
		fmt.Fprintf(&b, "  detour: %s\n", Harmless(detour.Detail))
	}
	return b.String()
}

// swarmWatch shows one look at a swarm.
func (w *Writer) swarmWatch(s record.SwarmWatch) string {
	verdict := w.paint("the members agree", green)
	switch {
	case s.Warn:
		verdict = w.paint(fmt.Sprintf("a member lags by %.1f s", s.LagMS/1000), red)
	case !s.Agree:
		verdict = w.paint("the members do not agree", amber)
	}
	table := newRows("", []string{"MEMBER", "ANSWERS", "MESSAGES", "LACKS", "LAG", "LAG P95", "MS", "MS P95", "PROBLEM"})
	for _, m := range s.Members {
		messages, color := "-", green
		if m.Messages != nil {
			messages = fmt.Sprint(*m.Messages)
		}
		if !m.Reachable {
			color = red
		}
		table.add([]cell{
			{text: cut(m.PubkeyEd25519, 13)}, {fmt.Sprintf("%d/%d", m.Answered, m.Asked), color}, {text: messages},
			{text: fmt.Sprint(m.Lacking)}, {text: fmt.Sprintf("%.1f s", m.LagMS/1000)},
			{text: fmt.Sprintf("%.1f s", m.LagP95MS/1000)}, {text: fmt.Sprintf("%.0f", m.LatencyMS)},
			{text: fmt.Sprintf("%.0f", m.LatencyP95MS)}, {text: Harmless(m.Error)},
		})
	}
	return fmt.Sprintf("look %d  swarm %s: %s\n%s", s.Round, s.SwarmID, verdict, table.text(w.paint))
}
