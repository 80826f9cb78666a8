package picture

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"

	"sessiontool/lib/swarm"
)

// RingWay is the path of a request: the names of its guard, relays and target. Failed says that it had no answer, and
// Note what became of it.
type RingWay struct {
	Hops   []string
	Failed bool
	Note   string
}

const (
	hopDepth = ringWidth/2 + 8 // how far inside the ring hops are
	// wayBend is how far a line bends to the middle: 0 is the middle itself, 1 a straight line.
	wayBend = 0.55
)

// wayColours distinguish ways, which also have numbers.
var wayColours = []string{"#1b5fa8", "#7a3b9a", "#1f7a4d", "#9a6200", "#a2335f", "#4a5a6a"}

// hopPlace returns the place of a node on the ring: beside that of its swarm, so that nodes of one swarm are apart. A
// node in no swarm is at the bottom.
func hopPlace(groups []group, name string) uint64 {
	for _, g := range groups {
		for i, node := range g.nodes {
			if node.Name == name {
				room := min((g.to-g.from)/uint64(len(g.nodes)+1), math.MaxUint64/90)
				return uint64(g.id) + (uint64(2*i+1)-uint64(len(g.nodes)))*(room/2)
			}
		}
	}
	return 1 << 63
}

// ways draws the ways as lines from hop to hop, numbered, and one line of the legend each from y on.
func (p *canvas) ways(groups []group, ways []RingWay, y float64) {
	for i, way := range ways {
		colour, dashes := wayColours[i%len(wayColours)], ""
		if way.Failed {
			dashes = ` stroke-dasharray="5 4"`
		}
		for k, name := range way.Hops {
			x, yHop := around(p.cx, p.cy, radius-hopDepth, hopPlace(groups, name))
			if k > 0 {
				x0, y0 := around(p.cx, p.cy, radius-hopDepth, hopPlace(groups, way.Hops[k-1]))
				xBend, yBend := p.bend(x0, y0, x, yHop)
				p.add(`<path d="M %.1f %.1f Q %.1f %.1f %.1f %.1f" fill="none" stroke="%s" stroke-width="1.8"%s/>`,
					x0, y0, xBend, yBend, x, yHop, colour, dashes)
			}
			p.add(`<circle cx="%.1f" cy="%.1f" r="%d" fill="%s"><title>way %d, %s: %s</title></circle>`,
				x, yHop, hopSize(k, len(way.Hops)), colour, i+1, hopNames[min(k, len(hopNames)-1)], escape(name))
		}
		p.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="3"%s/>`, margin, y, margin+24, y,
			colour, dashes)
		p.add(`<text x="%.1f" y="%.1f" font-size="12" fill="#333333">way %d: %s</text>`, margin+32, y+4, i+1,
			escape(way.text()))
		y += legendLine
	}
}

// text is a way in words.
func (w RingWay) text() string {
	var names []string
	for _, name := range w.Hops {
		names = append(names, short(name))
	}
	return strings.Join(names, " > ") + ": " + cut(w.Note, 110)
}

// bend returns the point to which a line between two places of the ring bends: towards the middle, but past the words that
// stand there.
func (p *canvas) bend(x0, y0, x1, y1 float64) (x, y float64) {
	x, y = ((x0+x1)/2-p.cx)*wayBend, ((y0+y1)/2-p.cy)*wayBend
	const words = 75
	if math.Hypot(x, y) < words {
		length := max(math.Hypot(x1-x0, y1-y0), 1)
		x, y = x+2*words*(y0-y1)/length, y+2*words*(x1-x0)/length
	}
	return p.cx + x, p.cy + y
}

// hopSize is the radius of a hop's dot: that of the target is larger.
func hopSize(k, hops int) int {
	if k == hops-1 {
		return 5
	}
	return 3
}

// hopNames name the hops of a way in their order.
var hopNames = []string{"guard", "relay 1", "relay 2", "target"}

// dotWays writes the ways as edges between nodes.
func (r Ring) dotWays(b *bytes.Buffer) {
	known := func(name string) bool {
		return slices.ContainsFunc(r.Nodes, func(n RingNode) bool { return n.Name == name && n.Swarm != swarm.NoSwarm })
	}
	for i, way := range r.Ways {
		style := "bold"
		if way.Failed {
			style = "dashed"
		}
		for k := 1; k < len(way.Hops); k++ {
			if from, to := way.Hops[k-1], way.Hops[k]; known(from) && known(to) {
				fmt.Fprintf(b, "\t%s -- %s [style=%s, color=\"%s\", dir=forward, label=%s];\n", quote(from), quote(to), style,
					wayColours[i%len(wayColours)], quote(fmt.Sprint(i+1)))
			}
		}
	}
}
