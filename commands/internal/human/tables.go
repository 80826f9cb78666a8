package human

import (
	"fmt"
	"strings"

	"sessiontool/lib/record"
)

// cell is one field of a table.
type cell struct{ text, color string }

// row is a row of the table of a kind of record.
type row struct {
	kind  string
	head  []string
	cells []cell
}

// rows is a table that grows.
type rows struct {
	kind   string
	head   []string
	widths []int
	cells  [][]cell
}

// newRows begins a table.
func newRows(kind string, head []string) *rows {
	r := &rows{kind: kind, head: head}
	for _, name := range head {
		r.widths = append(r.widths, Width(name))
	}
	return r
}

func (r *rows) add(cells []cell) {
	for i, c := range cells {
		r.widths[i] = max(r.widths[i], Width(c.text))
	}
	r.cells = append(r.cells, cells)
}

func (r *rows) text(paint func(text, color string) string) string {
	var b strings.Builder
	write := func(cells []cell) {
		var line strings.Builder
		for i, c := range cells {
			text := c.text
			if i+1 < len(cells) {
				text = pad(text, r.widths[i]) + "  "
			}
			line.WriteString(paint(text, c.color))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	var head []cell
	for _, name := range r.head {
		head = append(head, cell{name, bold})
	}
	write(head)
	for _, cells := range r.cells {
		write(cells)
	}
	return b.String()
}

// row returns the row of a record that is shown in a table.
func (w *Writer) row(v any) (row, bool) {
	switch r := v.(type) {
	case record.Contact:
		return w.contact(r), true
	case record.NodeStatus:
		return nodeStatus(r), true
	case record.Setting:
		return setting(r), true
	case record.Node:
		return node(r), true
	case record.ErrorCode:
		return row{record.TypeErrorCode, []string{"CODE", "EXIT", "RETRY", "MEANING"},
			[]cell{{r.Code, bold}, {text: fmt.Sprint(r.ExitCode)}, {text: yes(r.Retryable)}, {text: r.Meaning}}}, true
	}
	return row{}, false
}

func (w *Writer) contact(c record.Contact) row {
	name := Harmless(c.Name)
	if name == "" && c.DisplayName != "" {
		name = "\"" + cut(Harmless(c.DisplayName), nameColumns) + "\""
	}
	state := cell{text: c.State}
	switch {
	case c.Blocked:
		state = cell{"blocked", red}
	case c.State == "friends":
		state.color = green
	}
	since := w.clock(c.Since)
	return row{record.TypeContact,
		[]string{"NAME", "STATE", "ONLINE", "VERIFIED", "PROTOCOL", "SINCE", "SESSION ID"},
		[]cell{{text: name}, state, {text: yes(c.Online)}, {text: yes(c.Verified)}, {text: c.Protocol},
			{text: since}, {c.SessionID, dim}},
	}
}

func nodeStatus(n record.NodeStatus) row {
	color := map[string]string{"ok": green, "failed": red, "stopped": red}[n.Health]
	if color == "" {
		color = amber
	}
	fill := size(n.Bytes)
	if n.MaxBytes > 0 {
		fill += fmt.Sprintf(" (%.0f %%)", 100*n.Fill)
	}
	return row{record.TypeNodeStatus,
		[]string{"NODE", "HEALTH", "ADDRESS", "SWARM", "MESSAGES", "STORED", "PENDING", "VERSION", "FAULTS"},
		[]cell{{text: fmt.Sprint(n.Index)}, {n.Health, color}, {text: fmt.Sprintf("%s:%d", n.IP, n.Port)},
			{text: n.SwarmID}, {text: fmt.Sprint(n.Messages)}, {text: fill}, {text: fmt.Sprint(n.Pending)},
			{text: n.Version}, {strings.Join(n.Faults, ", "), amber}},
	}
}

// setting is a row of a setting, with its origin if that is known.
func setting(s record.Setting) row {
	out := row{record.TypeSetting, []string{"SETTING", "VALUE"}, []cell{{s.Name, bold}, {text: Harmless(s.Value)}}}
	if s.Origin != "" {
		out.head = append(out.head, "ORIGIN", "SOURCE")
		out.cells = append(out.cells, cell{text: s.Origin}, cell{text: Harmless(s.Source)})
	}
	return out
}

func node(n record.Node) row {
	return row{record.TypeNode, []string{"ADDRESS", "SWARM", "ED25519 KEY"},
		[]cell{{text: Harmless(fmt.Sprintf("%s:%d", n.IP, n.Port))}, {text: n.SwarmID}, {n.PubkeyEd25519, dim}}}
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "-"
}

// size shows a size with a unit.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// finding shows a record of doctor, swarm check, swarm watch, trace or devnet status.
func (w *Writer) finding(v any) (string, bool) {
	switch f := v.(type) {
	case record.Check:
		return w.check(f), true
	case record.SwarmCheck:
		return w.swarmCheck(f), true
	case record.Network:
		return w.network(f), true
	case record.Trace:
		return w.trace(f), true
	case record.SwarmWatch:
		return w.swarmWatch(f), true
	}
	return "", false
}

func (w *Writer) check(c record.Check) string {
	mark, color := "ok", green
	switch {
	case c.Skipped:
		mark, color = "skip", amber
	case !c.OK:
		mark, color = "FAIL", red
	}
	text := w.paint(pad(mark, 4), color) + "  " + pad(c.Name, 9) + Harmless(c.Detail) + "\n"
	if !c.OK && c.Hint != "" {
		text += strings.Repeat(" ", 15) + "hint: " + c.Hint + "\n"
	}
	return text
}

func (w *Writer) swarmCheck(c record.SwarmCheck) string {
	verdict := w.paint("the members agree", green)
	if !c.Agree {
		verdict = w.paint("the members do not agree", red)
	}
	table := newRows("", []string{"MEMBER", "ANSWERS", "MS", "VERSION", "MESSAGES", "LACKS", "PROBLEM"})
	for _, m := range c.Members {
		answers, messages := cell{"yes", green}, "-"
		if !m.Reachable {
			answers = cell{"no", red}
		}
		if m.Messages != nil {
			messages = fmt.Sprint(*m.Messages)
		}
		table.add([]cell{{text: cut(m.PubkeyEd25519, 13)}, answers, {text: fmt.Sprintf("%.0f", m.LatencyMS)},
			{text: Harmless(m.Version)}, {text: messages}, {text: fmt.Sprint(len(m.Missing))}, {text: Harmless(m.Error)}})
	}
	return fmt.Sprintf("%s  swarm %s: %s\n%s", c.SessionID, c.SwarmID, verdict, table.text(w.paint))
}

func (w *Writer) network(n record.Network) string {
	up := ""
	if n.Up != nil {
		up = w.paint(", up", green)
		if !*n.Up {
			up = w.paint(", down", red)
		}
	}
	text := fmt.Sprintf("network %s%s: %d nodes in %d swarms, difficulty %d, storage RPC %s\n", Harmless(n.Name), up,
		n.Nodes, n.Swarms, n.Difficulty, or(n.Generation, "as the nodes say"))
	text += "  seeds: " + Harmless(strings.Join(n.Seeds, ", ")) + "\n  file:  " + Harmless(n.File) + "\n"
	if n.PageURL != "" {
		text += "  page:  " + Harmless(n.PageURL) + "\n"
	}
	return text
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
