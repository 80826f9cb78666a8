package picture

import (
	"fmt"
	"strings"
	"time"

	"sessiontool/lib/trace"
)

// Measures of the timeline, in pixels.
const (
	lineHeight  = 18.0
	labelWidth  = 430.0
	barsWidth   = width - labelWidth - 2*margin - 70
	stageWidth  = (width - 2*margin) / 8
	memberRow   = 20.0
	wrapAt      = 150 // characters of a line of text
	memberText  = 140 // characters of what a member says
	mostRows    = 600 // spans that are drawn
	stageHeight = 46.0
)

// The colours of states.
const (
	colourOK      = "#2e7d46"
	colourFailed  = "#b3261e"
	colourWaiting = "#8a5a00"
	colourQuiet   = "#767676"
	colourBar     = "#3b6fb6"
)

// stateColours has the colour of each state of a stage. The state also stands in words beside it.
var stateColours = map[string]string{
	trace.Done: colourOK, trace.Failed: colourFailed, trace.Waiting: colourWaiting, trace.Unknown: colourQuiet,
	trace.Skipped: colourQuiet,
}

// Timeline draws traces: the stages of the message in a row with the words that say where it stopped, which members of
// the swarm have it, the detours, and below them every span as a bar in time. A way without stages is left out. The same
// traces give the same bytes.
func Timeline(traces []trace.Trace, way trace.Way) []byte {
	body := &canvas{}
	y := 40.0
	title := "Traces"
	if way.Hash != "" {
		title = "Message " + short(way.Hash) + "…"
	}
	body.add(`<text x="%.0f" y="%.0f" font-size="22" font-weight="bold" fill="#222222">%s</text>`, margin, y, escape(title))
	y += 20
	if len(way.Stages) > 0 {
		y = body.stages(way, y)
	}
	if len(way.Members) > 0 {
		y = body.members(way.Members, y)
	}
	for _, detour := range way.Detours {
		y = body.paragraph(detour.Text, colourWaiting, y)
	}
	rows := 0
	for _, t := range traces {
		y = body.spans(t, y+16, &rows)
	}
	p := &canvas{}
	p.begin(y+margin, title, description(traces, way))
	p.text.Write(body.text.Bytes())
	p.text.WriteString("</svg>\n")
	return p.text.Bytes()
}

// description says in words what the picture shows.
func description(traces []trace.Trace, way trace.Way) string {
	var lines []string
	for _, stage := range way.Stages {
		lines = append(lines, stage.Name+": "+stage.State+".")
	}
	if len(way.Stages) > 0 {
		lines = append(lines, verdict(way))
	}
	for _, t := range traces[:min(len(traces), 100)] {
		if len(t.Spans) > 0 {
			lines = append(lines, fmt.Sprintf("Trace %s, %d spans, %s.", t.ID, len(t.Spans), shortTime(t.Spans[0].Took())))
		}
	}
	return strings.Join(lines, "\n")
}

// verdict says where a message stopped and why, or that it has arrived.
func verdict(way trace.Way) string {
	if way.StoppedAt != "" {
		return "It stopped at “" + way.StoppedAt + "”: " + way.Why
	}
	return way.Why
}

// stages draws the stages as a chain, and the words below it.
func (p *canvas) stages(way trace.Way, y float64) float64 {
	for i, stage := range way.Stages {
		x := margin + float64(i)*stageWidth
		colour := stateColours[stage.State]
		fill := "#ffffff"
		if stage.Name == way.StoppedAt {
			fill = "#fdecea"
		}
		p.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="6" fill="%s" stroke="%s" stroke-width="2"><title>`+
			`%s</title></rect>`, x, y, stageWidth-10, stageHeight, fill, colour, escape(stage.Text))
		p.add(`<text x="%.1f" y="%.1f" font-size="13" font-weight="bold" fill="#222222">%s</text>`, x+8, y+19,
			escape(stage.Name))
		p.add(`<text x="%.1f" y="%.1f" font-size="12" fill="%s">%s</text>`, x+8, y+36, colour, escape(stateText(stage)))
		if i > 0 {
			p.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#999999" stroke-width="2"/>`,
				x-10, y+stageHeight/2, x, y+stageHeight/2)
		}
	}
	y += stageHeight + 12
	colour := colourWaiting
	switch {
	case way.StoppedAt != "":
		colour = colourFailed
	case way.Arrived:
		colour = colourOK
	}
	y = p.paragraph(verdict(way), colour, y)
	for i := 0; i < len(way.Stages); {
		text, names := way.Stages[i].Text, []string{}
		for ; i < len(way.Stages) && way.Stages[i].Text == text; i++ { // stages with the same text share a line
			names = append(names, way.Stages[i].Name)
		}
		if text != "" && text != way.Why {
			y = p.paragraph(strings.Join(names, ", ")+": "+text, "#444444", y)
		}
	}
	return y + 6
}

func stateText(stage trace.Stage) string {
	if stage.State == trace.Done && stage.Took > 0 {
		return stage.State + ", " + shortTime(stage.Took)
	}
	return stage.State
}

// paragraph writes a text in as many lines as it needs.
func (p *canvas) paragraph(text, colour string, y float64) float64 {
	for _, line := range wrap(text, wrapAt) {
		y += lineHeight
		p.add(`<text x="%.1f" y="%.1f" font-size="13" fill="%s">%s</text>`, margin, y, colour, escape(line))
	}
	return y
}

// wrap breaks a text at spaces into lines of at most length characters, and within a word that is longer.
func wrap(text string, length int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		for runes := []rune(word); len(runes) > length; runes = []rune(word) {
			if line != "" {
				lines = append(lines, line)
			}
			lines, line, word = append(lines, string(runes[:length])), "", string(runes[length:])
		}
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) <= length:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// members draws who has the message.
func (p *canvas) members(members []trace.Member, y float64) float64 {
	y += memberRow
	p.add(`<text x="%.1f" y="%.1f" font-size="13" font-weight="bold" fill="#222222">Members of the swarm</text>`, margin, y)
	for _, m := range members {
		y += memberRow
		colour, text := colourFailed, "lacks it, and answers requests"
		switch {
		case m.Holds:
			colour, text = colourOK, "has it"
		case !m.Reachable || m.Error != "":
			colour, text = colourQuiet, "cannot be asked: "+m.Error
		}
		fill := colour
		if !m.Holds {
			fill = "#ffffff"
		}
		p.add(`<circle cx="%.1f" cy="%.1f" r="6" fill="%s" stroke="%s" stroke-width="2"/>`, margin+8, y-4, fill, colour)
		p.add(`<text x="%.1f" y="%.1f" font-size="12" font-family="Menlo, Consolas, monospace" fill="#333333">%s`+
			`<title>%s</title></text>`, margin+24, y, escape(short(m.Node)), escape(m.Node))
		p.add(`<text x="%.1f" y="%.1f" font-size="12" fill="%s">%s<title>%s</title></text>`, margin+110, y, colour,
			escape(cut(text, memberText)), escape(text))
	}
	return y + 8
}

// spans draws one trace below y. rows counts the spans that are drawn in all.
func (p *canvas) spans(t trace.Trace, y float64, rows *int) float64 {
	if len(t.Spans) == 0 {
		return y
	}
	began, ended := t.Spans[0].Start, t.Spans[0].End
	for _, span := range t.Spans {
		if span.End.After(ended) {
			ended = span.End
		}
	}
	whole := max(ended.Sub(began), time.Microsecond)
	left := margin + labelWidth
	at := func(when time.Time) float64 {
		return left + barsWidth*float64(when.Sub(began))/float64(whole)
	}
	y += lineHeight
	p.add(`<text x="%.1f" y="%.1f" font-size="13" font-weight="bold" fill="#222222">Trace %s, %s, %s</text>`, margin, y,
		t.ID, began.UTC().Format("2006-01-02 15:04:05.000 UTC"), shortTime(whole))
	y += lineHeight
	for quarter := range 5 {
		x := left + barsWidth*float64(quarter)/4
		p.add(`<text x="%.1f" y="%.1f" font-size="11" fill="%s" text-anchor="middle">%s</text>`, x, y, colourQuiet,
			shortTime(whole*time.Duration(quarter)/4))
	}
	depth := make(map[trace.SpanID]int)
	for _, span := range ordered(t) {
		if *rows++; *rows > mostRows {
			return p.paragraph("More spans are not drawn.", colourQuiet, y)
		}
		if span.Parent != (trace.SpanID{}) {
			depth[span.ID] = depth[span.Parent] + 1
		}
		y += lineHeight
		colour := colourBar
		switch {
		case span.Attr("left") == "true":
			colour = colourQuiet
		case span.State == trace.StateFailed:
			colour = colourFailed
		case span.State == trace.StateOpen:
			colour = colourWaiting
		case span.Attr("culprit") != "":
			colour = colourFailed
		}
		x, length := at(span.Start), max(at(span.End)-at(span.Start), 1.5)
		p.add(`<text x="%.1f" y="%.1f" font-size="12" fill="#333333">%s</text>`, margin+float64(min(depth[span.ID], 10))*14, y,
			escape(label(span)))
		p.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="2" fill="%s"><title>%s</title></rect>`,
			x, y-10, length, lineHeight-6, colour, escape(details(span)))
		p.add(`<text x="%.1f" y="%.1f" font-size="11" fill="%s">%s</text>`, x+length+5, y, colour, shortTime(span.Took()))
		for _, event := range span.Events {
			p.add(`<circle cx="%.1f" cy="%.1f" r="2.5" fill="#222222"><title>%s</title></circle>`, at(event.At), y-4,
				escape(eventText(event)))
		}
	}
	return y
}

// ordered returns the spans of a trace as a tree is read: each behind its parent and its elder brothers.
func ordered(t trace.Trace) (out []trace.Span) {
	children := make(map[trace.SpanID][]trace.Span)
	for _, span := range t.Spans {
		children[span.Parent] = append(children[span.Parent], span)
	}
	var add func(parent trace.SpanID)
	add = func(parent trace.SpanID) {
		for _, span := range children[parent] {
			out = append(out, span)
			add(span.ID)
		}
	}
	add(trace.SpanID{})
	return out
}

// label is the name of a span and what distinguishes it from its brothers.
func label(span trace.Span) string {
	parts := []string{span.Name}
	switch span.Name {
	case trace.SpanAttempt:
		parts = append(parts, fmt.Sprintf("%s: %s > %s > %s > %s", span.Attr("attempt"), short(span.Attr("guard")),
			short(span.Attr("relay_1")), short(span.Attr("relay_2")), short(span.Attr("target"))))
	case trace.SpanDiagnosis:
		if culprit := span.Attr("culprit"); culprit != "" {
			parts = append(parts, "finds "+short(culprit)+" ("+span.Attr("place")+")")
		} else {
			parts = append(parts, "finds no fault")
		}
	case trace.SpanProbe:
		parts = append(parts, short(span.Attr(trace.KeyNode)), span.Attr("way"))
	case trace.SpanDeliver:
		parts = append(parts, span.Attr(trace.KeyReason))
	default:
		for _, key := range []string{trace.KeyMethod, trace.KeyNode, "target"} {
			if value := span.Attr(key); value != "" {
				parts = append(parts, short(value))
			}
		}
	}
	if span.State == trace.StateFailed {
		parts = append(parts, "✗")
	}
	return cut(strings.Join(parts, " "), 64)
}

// cut shortens a text to length characters.
func cut(text string, length int) string {
	runes := []rune(text)
	if len(runes) <= length {
		return text
	}
	return string(runes[:length-1]) + "…"
}

// details is all that a span says.
func details(span trace.Span) string {
	lines := []string{span.Name + ", " + shortTime(span.Took()) + ", " + span.State}
	if span.Error != "" {
		lines = append(lines, span.Error)
	}
	for _, a := range span.Attrs {
		lines = append(lines, a.Key+": "+span.Attr(a.Key))
	}
	return strings.Join(lines, "\n")
}

func eventText(event trace.Event) string {
	lines := []string{event.Name}
	for _, a := range event.Attrs {
		lines = append(lines, a.Key+": "+event.Attr(a.Key))
	}
	return strings.Join(lines, "\n")
}

// shortTime is a time with three digits or so.
func shortTime(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
