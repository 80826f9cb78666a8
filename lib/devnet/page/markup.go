package page

import (
	"fmt"
	"html"
	"strings"

	"sessiontool/lib/metrics"
)

// markup is HTML that grows. It is no template of package html/template, whose calls of methods by name keep the linker
// from leaving out what the program does not use: that made every start of the program slower by a tenth.
type markup struct{ strings.Builder }

// put writes a format whose verbs are all %s or %v. Each argument is escaped, for a text or an attribute in quotes.
func (m *markup) put(format string, args ...any) {
	for i := range args {
		args[i] = html.EscapeString(fmt.Sprint(args[i]))
	}
	fmt.Fprintf(m, format, args...)
}

// page is the whole document.
func (d document) page() string {
	var legend, generation, outside, unlock, dialog markup
	for _, entry := range d.Legend {
		legend.put(`<label class="k-%s"><input type="checkbox" name="kind" value="%s" checked>`+
			`<i aria-hidden="true"></i>%s</label>`, entry.Name, entry.Name, entry.Label)
	}
	if d.Outside() != 0 {
		outside.put(`<div><dt>outside</dt><dd>%v</dd></div>`, d.Outside())
	}
	if d.Generation != "" {
		generation.put(`<div><dt>storage RPC</dt><dd>%s`, d.Generation)
		if d.Like != "" {
			generation.put(`<small> like %s</small>`, d.Like)
		}
		generation.put(`</dd></div>`)
	}
	if d.Changes {
		unlock.put(`<button type="button" id="unlock" aria-haspopup="dialog">Unlock changes</button>`)
		dialog.WriteString(asset("templates/dialog.html"))
	}
	return strings.NewReplacer(
		"{{nodes}}", fmt.Sprint(len(d.Nodes)), "{{running}}", fmt.Sprint(d.Running), "{{swarms}}", fmt.Sprint(d.Swarms),
		"{{own}}", fmt.Sprint(d.Own), "{{outside}}", outside.String(), "{{messages}}", fmt.Sprint(d.Messages), "{{difficulty}}", fmt.Sprint(d.Difficulty),
		"{{generation}}", generation.String(), "{{unlock}}", unlock.String(), "{{legend}}", legend.String(),
		"{{dialog}}", dialog.String(), "{{ring}}", d.ring(), "{{node}}", d.node(), "{{rows}}", d.rows(),
	).Replace(asset("templates/page.html"))
}

// asset returns a file that is part of the program.
func asset(name string) string {
	data, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return string(data)
}

// ring is the picture of the swarms.
func (d document) ring() string {
	var m markup
	m.put(`<svg viewBox="0 0 1000 1000" id="picture" role="group" data-topology="%v"`+"\n"+
		` aria-label="%v nodes in %v swarms. The arrow keys go from node to node."`, d.Topology, len(d.Nodes), d.Swarms)
	if !d.Ring.Numbered {
		m.put(` class="dense"`)
	}
	m.put(">\n<defs>")
	for i, arc := range d.Ring.Arcs {
		if arc.Along != "" {
			m.put(`<path id="along-%v" d="%s"/>`, i, arc.Along)
		}
	}
	m.put("</defs>\n"+`<circle class="field" cx="500" cy="500" r="430"/>`+"\n"+`<g class="arcs" data-swarms="%s">`,
		d.Positions())
	for i, arc := range d.Ring.Arcs {
		m.put(`<path class="arc h%v" d="%s" data-swarm="%s"><title>swarm %s, %v %s</title></path>`+"\n",
			arc.Hue, arc.Path, arc.ID, arc.ID, arc.Nodes, d.Plural(arc.Nodes, "node"))
		if arc.Name != "" {
			m.put(`<text class="name"><textPath href="#along-%v" startOffset="50%%">%s</textPath></text>`, i, arc.Name)
		}
	}
	m.put("</g>\n"+`<g class="middle" aria-hidden="true"><text x="500" y="492" class="big" id="rate">%v</text>`+
		`<text x="500" y="526" id="rate-unit">%s</text></g>`+"\n"+`<g id="marker"></g>`+"\n"+`<g id="dots">`,
		len(d.Nodes), d.Plural(len(d.Nodes), "node"))
	for _, dot := range d.Ring.Dots {
		m.put(`<a class="node h%v s%v" href="/?node=%v" data-node="%v" data-x="%v" data-y="%v" aria-label="%s">`+"\n"+
			`<circle class="halo" cx="%v" cy="%v" r="%v"/><circle class="dot" cx="%v" cy="%v" r="%v"/><circle class="fill" cx="%v" cy="%v" r="%v"/>`,
			dot.Hue, uint8(dot.Status), dot.Index, dot.Index, dot.X, dot.Y, dot.Label(),
			dot.X, dot.Y, d.Ring.Halo(), dot.X, dot.Y, d.Ring.Radius(), dot.X, dot.Y, dot.Inner)
		if d.Ring.Numbered {
			m.put(`<text x="%v" y="%v" dy=".35em">%v</text>`, dot.X, dot.Y, dot.Index)
		}
		m.put(`<path class="cross" d="%s"/></a>`+"\n", d.Ring.Cross(dot))
	}
	m.put("</g>\n</svg>")
	return m.String()
}

// rows are those of the table of nodes.
func (d document) rows() string {
	var m markup
	for i := range d.Nodes {
		n := &d.Nodes[i]
		m.put(`<tr data-node="%v" class="s%v"><th scope="row"><a href="/?node=%v" data-node="%v">%v</a></th>`+
			`<td><code>%s</code></td><td><code>%s</code></td>`+"\n"+`<td class="state">%s`,
			n.Index, uint8(n.Status), n.Index, n.Index, n.Index, n.Name(), n.Swarm(), n.Status)
		for _, fault := range n.Faults {
			m.put(" · %s", fault)
		}
		m.put("</td>")
		messages, queued, listeners := any(""), any(""), any("")
		if n.Own() {
			messages, queued, listeners = n.Messages, n.Queued, n.Listeners
		}
		m.put(`<td class="number messages">%v</td><td class="number queued">%v</td>`+
			`<td class="number listeners">%v</td><td>%s</td><td>%s</td></tr>`+"\n",
			messages, queued, listeners, n.Version, n.Address())
	}
	return m.String()
}

// node is the panel of the chosen node, or of the network if none is chosen.
func (d document) node() string {
	var m markup
	n := d.Selected
	if n == nil {
		m.put("<h2>The network</h2>\n" +
			`<p class="quiet">Choose a node on the ring or in the table to see its figures.</p>` + "\n" +
			`<div id="figures">`)
		m.WriteString(d.figures())
		m.put("</div>\n")
		if d.Changes {
			m.put(`<form id="difficulty-form" class="js row" hidden><label>Difficulty <input name="difficulty" `+
				`inputmode="numeric" size="7" value="%v"></label><button type="submit">Set</button>`+
				`<button type="button" id="clear-all">Clear all faults</button></form>`, d.Difficulty)
		}
		return m.String()
	}
	m.put(`<div class="row"><h2>Node %v</h2><span class="tag s%v" id="panel-state">%s</span>`+
		`<a class="close" href="/" id="panel-close" aria-label="Close node %v">✕</a></div>`+"\n"+
		`<p class="key"><code>%s</code></p>`+"\n"+`<div id="figures" data-node="%v">`,
		n.Index, uint8(n.Status), n.Status, n.Index, n.Key(), n.Index)
	m.WriteString(d.figures())
	m.put("</div>\n")
	if d.Changes && n.Own() {
		m.WriteString(d.changes())
	}
	return m.String()
}

// changes are the forms that change the chosen node.
func (d document) changes() string {
	var m markup
	i := d.Selected.Index
	m.put(`<div class="js changes" hidden>`+"\n<h3>Change</h3>\n"+
		`<p class="row"><button type="button" id="node-stop" data-node="%v">Stop</button>`+
		`<button type="button" id="node-start" data-node="%v">Start</button>`+
		`<button type="button" id="fault-clear" data-node="%v">Clear faults</button></p>`+"\n"+
		`<form id="fault-form" data-node="%v">`+"\n"+`<div class="grid">`+"\n"+`<label>Fault <select name="kind">`,
		i, i, i, i)
	for _, kind := range d.FaultKinds {
		m.put("<option>%s</option>", kind)
	}
	m.put("</select></label>\n" + `<label>Requests <select name="requests"><option value="">all</option>`)
	for _, requests := range d.Requests {
		m.put("<option>%s</option>", requests)
	}
	m.put("</select></label>\n")
	for _, field := range [][4]string{
		{"Share", "share", "decimal", "0.1"}, {"Delay", "delay", "", "200ms"}, {"Jitter", "jitter", "", "50ms"},
		{"Skew", "skew", "", "2h"}, {"Group", "group", "numeric", "1"},
	} {
		m.put(`<label>%s <input name="%s"`, field[0], field[1])
		if field[2] != "" {
			m.put(` inputmode="%s"`, field[2])
		}
		m.put(` placeholder="%s" size="6"></label>`+"\n", field[3])
	}
	m.put(`<label class="check"><input type="checkbox" name="all"> all nodes</label>` + "\n</div>\n" +
		`<p class="row"><button type="submit" class="primary">Set fault</button></p>` + "\n</form>\n</div>")
	return m.String()
}

// figures are those of the chosen node, or of the network if none is chosen.
func (d document) figures() string {
	var m markup
	fact := func(class, name, form string, value any) {
		m.put("<div"+class+"><dt>"+name+"</dt><dd>"+form+"</dd></div>\n", value)
	}
	if d.Selected == nil {
		o := d.Overview()
		m.put(`<dl class="figures">` + "\n")
		fact("", "run without faults", "%v", o.Well)
		fact("", "run with faults", "%v", o.Faulty)
		fact("", "stopped or failed", "%v", o.Stopped)
		if o.Outside != 0 {
			fact("", "of other processes", "%v", o.Outside)
		}
		fact("", "pending for other members", "%v", o.Queued)
		fact("", "listeners", "%v", o.Listeners)
		fact("", "databases", "%s", o.Size)
		versions := "not known"
		if len(o.Versions) > 0 {
			versions = strings.Join(o.Versions, ", ")
		}
		fact(` class="wide"`, d.Plural(len(o.Versions), "version"), "%s", versions)
		m.put("</dl>\n")
	}
	if n := d.Selected; n != nil {
		m.put(`<dl class="figures">` + "\n")
		if n.Failed != "" {
			fact(` class="wide"`, "why", "%s", n.Failed)
		}
		fact("", "swarm", "<code>%s</code>", n.Swarm())
		fact("", "address", "%s", n.Address())
		if n.Version != "" {
			fact("", "version", "%s", n.Version)
		}
		if len(n.Faults) > 0 {
			fact(` class="wide"`, "faults", "%s", strings.Join(n.Faults, ", "))
		}
		if n.Own() {
			fact("", "messages", "%v", n.Messages)
			fact("", "database", "%v", n.Used())
			fact("", "pending for others", "%v", n.Queued)
			fact("", "listeners", "%v", n.Listeners)
		}
		m.put("</dl>\n")
	}
	if len(d.Figures.Durations) > 0 {
		m.table("Answers", []string{"endpoint"}, "count", "median", "95%", "99%")
		for _, one := range d.Figures.Durations {
			m.put(`<tr><th scope="row">%s</th><td class="number">%v</td><td class="number">≤ %v ms</td>`+
				`<td class="number">≤ %v ms</td><td class="number">≤ %v ms</td></tr>`,
				one.Endpoint, one.Count, one.P50, one.P95, one.P99)
		}
		m.put("</tbody></table>\n")
	}
	m.counts("Storage requests", d.Figures.Storage, "method", "status")
	m.counts("Onion layers opened", d.Figures.Onions, "step")
	m.counts("Requests of other nodes", d.Figures.Peers, "path", "status")
	return m.String()
}

// table begins a table with columns of names and then columns of numbers.
func (m *markup) table(caption string, names []string, numbers ...string) {
	m.put(`<table><caption>%s</caption><thead><tr>`, caption)
	for _, name := range names {
		m.put(`<th scope="col">%s</th>`, name)
	}
	for _, name := range numbers {
		m.put(`<th scope="col" class="number">%s</th>`, name)
	}
	m.put("</tr></thead>\n<tbody>")
}

// counts writes a table of counts, if there are any. A second name is that of the column of statuses.
func (m *markup) counts(caption string, counts []metrics.Count, names ...string) {
	if len(counts) == 0 {
		return
	}
	m.table(caption, names, "count")
	for _, count := range counts {
		m.put(`<tr><th scope="row">%s</th>`, count.What)
		if len(names) > 1 {
			m.put(`<td>%v</td>`, count.Status)
		}
		m.put(`<td class="number">%v</td></tr>`, count.Times)
	}
	m.put("</tbody></table>\n")
}
