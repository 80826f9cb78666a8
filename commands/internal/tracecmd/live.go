package tracecmd

import (
	"fmt"
	"io"
	"strings"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

// view is the table on a terminal. The zero value draws nothing.
type view struct {
	out   io.Writer
	only  bool // the records are not printed
	lines int  // of the last table
}

// newView returns the view for the streams of a run.
func newView(app *cli.App, off bool) *view {
	if off || !app.CanDraw() {
		return &view{}
	}
	return &view{out: app.Streams.Err, only: app.Streams.OutIsTerminal}
}

// instead reports whether the table takes the place of records.
func (v *view) instead() bool { return v.only }

// noWrap makes a terminal cut lines that are too long for it, and wrap makes it wrap them again. A wrapped line would take
// two lines, and the next table would not find its place.
const (
	noWrap = "\x1b[?7l"
	wrap   = "\x1b[?7h"
)

// show replaces the table by that of a look. Failing to draw it does not fail the watch.
func (v *view) show(out record.SwarmWatch) {
	if v.out == nil {
		return
	}
	text := table(out)
	above := ""
	if v.lines > 0 {
		above = fmt.Sprintf("\x1b[%dA\x1b[J", v.lines)
	}
	v.lines = strings.Count(text, "\n")
	_, _ = io.WriteString(v.out, above+noWrap+text+wrap)
}

// table is a look in lines of at most 80 characters. States stand in words.
func table(out record.SwarmWatch) string {
	var b strings.Builder
	state := "agree"
	switch {
	case out.Warn:
		state = "LAG"
	case !out.Agree:
		state = "disagree"
	}
	fmt.Fprintf(&b, "swarm %s  %s  look %d  %s  lag %s\n", out.SwarmID, out.At[11:19], out.Round, state,
		seconds(out.LagMS))
	fmt.Fprintf(&b, "%-8s %-6s %8s %7s %7s %7s %8s %8s %9s\n", "member", "state", "messages", "lacking", "lag", "lag p95",
		"latency", "p95", "answers")
	for _, m := range out.Members {
		state, messages := "ok", "-"
		switch {
		case !m.Reachable:
			state = "silent"
		case m.Error != "":
			state = "fails"
		case m.Lacking > 0:
			state = "lacks"
		}
		if m.Messages != nil {
			messages = fmt.Sprint(*m.Messages)
		}
		fmt.Fprintf(&b, "%-8s %-6s %8s %7d %7s %7s %8s %8s %9s\n", m.PubkeyEd25519[:8], state, messages, m.Lacking,
			seconds(m.LagMS), seconds(m.LagP95MS), fmt.Sprintf("%.1fms", m.LatencyMS),
			fmt.Sprintf("%.1fms", m.LatencyP95MS), fmt.Sprintf("%d/%d", m.Answered, m.Asked))
	}
	return b.String()
}

func seconds(ms float64) string { return fmt.Sprintf("%.1fs", ms/1000) }
