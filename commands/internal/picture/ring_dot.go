package picture

import (
	"bytes"
	"fmt"
	"strings"
)

// Measures of the DOT drawing, in inches.
const (
	dotRadius = 5.0
	dotStep   = 0.75 // from node to node, outwards from their swarm
	dotInside = 3.6  // marks' distance from the middle
)

// DOT writes the ring as an undirected graph for Graphviz: swarms on a circle, 0 at the top and rising clockwise,
// joined in that order; nodes outside, joined to their swarm; marks inside, joined to the swarm that they belong to.
// All positions are fixed, so that neato changes none.
func (r Ring) DOT() []byte {
	var b bytes.Buffer
	groups := r.groups()
	b.WriteString("graph swarms {\n\tlayout=neato;\n\tsplines=line;\n\tnode [fontname=\"Helvetica\", fontsize=10];\n")
	for i, g := range groups {
		x, y := around(0, 0, dotRadius, uint64(g.id))
		fmt.Fprintf(&b, "\t\"swarm %s\" [shape=box, style=filled, fillcolor=\"%s\", fontcolor=white, "+
			"pos=\"%.3f,%.3f!\"];\n",
			g.id, g.colour, x, -y)
		for k, node := range g.nodes {
			x, y := around(0, 0, dotRadius+dotStep*float64(k+1), uint64(g.id))
			fmt.Fprintf(&b, "\t%s [label=%s, shape=ellipse, color=\"%s\", pos=\"%.3f,%.3f!\"%s];\n",
				quote(node.Name), quote(short(node.Name)), g.colour, x, -y, healthStyle(node))
			fmt.Fprintf(&b, "\t\"swarm %s\" -- %s [color=\"%s\"];\n", g.id, quote(node.Name), g.colour)
		}
		if next := groups[(i+1)%len(groups)]; len(groups) > 2 || len(groups) == 2 && i == 0 {
			fmt.Fprintf(&b, "\t\"swarm %s\" -- \"swarm %s\" [style=bold, color=gray];\n", g.id, next.id)
		}
	}
	for _, mark := range r.Marks {
		x, y := around(0, 0, dotInside, mark.Position)
		fmt.Fprintf(&b, "\t%s [label=%s, shape=diamond, pos=\"%.3f,%.3f!\"];\n",
			quote(mark.Name), quote(short(mark.Name)), x, -y)
		if i := chosen(groups, mark); i >= 0 {
			fmt.Fprintf(&b, "\t%s -- \"swarm %s\" [style=dashed];\n", quote(mark.Name), groups[i].id)
		}
	}
	r.dotWays(&b)
	b.WriteString("}\n")
	return b.Bytes()
}

// healthStyle returns the attributes that show a node's health and what is known of it.
func healthStyle(node RingNode) (style string) {
	switch node.Health {
	case HealthSilent:
		style = ", style=dotted, fontcolor=\"" + healthColours[HealthSilent] + "\""
	case HealthTrouble:
		style = ", style=dashed, fontcolor=\"" + healthColours[HealthTrouble] + "\""
	}
	if node.Note != "" {
		style += ", tooltip=" + quote(node.title())
	}
	return style
}

// quote makes a text a quoted string of the DOT language, in which only the quotation mark needs an escape and a
// backslash at the end must not make one.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ").Replace(text) + `"`
}
