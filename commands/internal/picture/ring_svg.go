package picture

import (
	"bytes"
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
	"unicode"

	"sessiontool/lib/swarm"
)

// Measures of the picture, in pixels.
const (
	width       = 1180.0
	top         = 96.0 // the title's
	margin      = 40.0
	radius      = 190.0
	ringWidth   = 26.0
	markDepth   = 44.0 // how far inside the ring marks are
	markStep    = 30.0 // how much further if they are close to each other
	blockWidth  = 300.0
	keysPerRow  = 4
	keyWidth    = 72.0
	headHeight  = 22.0
	rowHeight   = 17.0
	blockGap    = 16.0
	blockInset  = 4.0
	legendLine  = 24.0
	leastHeight = 2*radius + 140
)

// block is the label of a swarm beside the ring.
type block struct {
	group
	right  bool
	y      float64 // its upper edge
	height float64
}

// SVG draws the ring in the middle, in the colours of the swarms, 0 at the top and rising clockwise; swarms and their
// nodes on both sides; marks inside, numbered, with their names below.
func (r Ring) SVG() []byte {
	groups := r.groups()
	blocks, height := layOut(groups)
	p := &canvas{cx: width / 2, cy: top + height/2}
	total := top + height + margin + float64(len(r.Marks))*legendLine
	p.open(total)
	p.title(r, len(groups))
	p.ring(groups)
	for _, b := range blocks {
		p.block(b)
	}
	for i, mark := range r.Marks {
		p.mark(groups, r.Marks[:i], mark, top+height+0.7*margin+float64(i)*legendLine)
	}
	p.text.WriteString("</svg>\n")
	return p.text.Bytes()
}

// layOut places the labels on both sides, each as near to its swarm as the others allow, and returns the height that
// they need.
func layOut(groups []group) (blocks []block, height float64) {
	var sides [2][]block
	var heights [2]float64
	for _, g := range groups {
		b := block{group: g, right: math.Sin(angle(uint64(g.id))) >= 0}
		b.height = headHeight + rowHeight*math.Ceil(float64(len(g.nodes))/keysPerRow) + 2*blockInset + blockGap
		side := 0
		if b.right {
			side = 1
		}
		sides[side] = append(sides[side], b)
		heights[side] += b.height
	}
	height = max(leastHeight, heights[0], heights[1])
	for _, side := range sides {
		for i := range side {
			_, y := around(0, top+height/2, radius*1.25, uint64(side[i].id))
			side[i].y = y - side[i].height/2
		}
		slices.SortStableFunc(side, func(a, b block) int { return cmp.Compare(a.y, b.y) })
		edge := top
		for i := range side { // downwards until nothing overlaps
			side[i].y = max(side[i].y, edge)
			edge = side[i].y + side[i].height
		}
		edge = top + height
		for i := len(side) - 1; i >= 0; i-- { // and back up until all are inside
			side[i].y = min(side[i].y, edge-side[i].height)
			edge = side[i].y
		}
		blocks = append(blocks, side...)
	}
	return blocks, height
}

// canvas is an SVG document being written.
type canvas struct {
	text   bytes.Buffer
	cx, cy float64
}

// add writes a line. Texts among args must be escaped.
func (p *canvas) add(format string, args ...any) { fmt.Fprintf(&p.text, format+"\n", args...) }

// escape makes a text fit for an element. Package encoding/xml could do it too, but importing it makes every start of
// the program 3% slower.
func escape(text string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return unicode.ReplacementChar // no character of XML
		}
		return r
	}, text))
}

func (p *canvas) open(height float64) {
	p.add(`<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f `+
		`%.0f" font-family="Helvetica, Arial, sans-serif">`,
		width, height, width, height)
	p.add(`<rect width="%.0f" height="%.0f" fill="#ffffff"/>`, width, height)
}

func (p *canvas) title(r Ring, swarms int) {
	outside := 0
	for _, node := range r.Nodes {
		if node.Swarm == swarm.NoSwarm {
			outside++
		}
	}
	p.add(`<text x="%.0f" y="44" font-size="22" font-weight="bold" fill="#222222">Swarms of service nodes</text>`,
		margin)
	p.add(`<text x="%.0f" y="68" font-size="13" fill="#666666">A place on the ring belongs to `+
		`the nearest swarm. A Session ID's place is the XOR of its key's four 64-bit words.</text>`,
		margin)
	p.add(`<g text-anchor="middle" fill="#444444">`)
	p.add(`<text x="%.1f" y="%.1f" font-size="26" font-weight="bold">%d</text>`, p.cx, p.cy-16, swarms)
	p.add(`<text x="%.1f" y="%.1f" font-size="13">%s</text>`, p.cx, p.cy+2, plural(swarms, "swarm"))
	p.add(`<text x="%.1f" y="%.1f" font-size="13">of %d %s</text>`,
		p.cx, p.cy+20, len(r.Nodes)-outside, plural(len(r.Nodes)-outside, "node"))
	if outside > 0 {
		p.add(`<text x="%.1f" y="%.1f" font-size="11" fill="#888888">and %d in none</text>`, p.cx, p.cy+37, outside)
	}
	p.add(`</g>`)
}

func plural(count int, word string) string {
	if count == 1 {
		return word
	}
	return word + "s"
}

// ring draws the ring, the part of each swarm, and the positions of the swarms.
func (p *canvas) ring(groups []group) {
	if len(groups) < 2 {
		stroke := "#cccccc"
		if len(groups) == 1 {
			stroke = groups[0].colour
		}
		p.add(`<circle cx="%.1f" cy="%.1f" r="%.1f" fill="none" stroke="%s" stroke-width="%.0f"/>`,
			p.cx, p.cy, radius, stroke, ringWidth)
	} else {
		for _, g := range groups {
			p.arc(g)
		}
	}
	for quarter := range 4 {
		position := uint64(quarter) << 62
		x1, y1 := around(p.cx, p.cy, radius-ringWidth/2, position)
		x2, y2 := around(p.cx, p.cy, radius-ringWidth/2-7, position)
		x, y := around(p.cx, p.cy, radius-ringWidth/2-17, position)
		p.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#999999"/>`, x1, y1, x2, y2)
		p.add(`<text x="%.1f" y="%.1f" font-size="10" fill="#888888" text-anchor="middle">%s</text>`,
			x, y+3.5, []string{"0", "¼", "½", "¾"}[quarter])
	}
	for _, g := range groups {
		x, y := around(p.cx, p.cy, radius, uint64(g.id))
		p.add(`<circle cx="%.1f" cy="%.1f" r="6" fill="#ffffff" stroke="%s" `+
			`stroke-width="3"><title>swarm %s</title></circle>`,
			x, y, g.colour, g.id)
	}
}

// arc draws the part of the ring that belongs to one of several swarms.
func (p *canvas) arc(g group) {
	x1, y1 := around(p.cx, p.cy, radius, g.from)
	x2, y2 := around(p.cx, p.cy, radius, g.to)
	large := 0
	if g.to-g.from > math.MaxUint64/2 {
		large = 1
	}
	p.add(`<path d="M %.2f %.2f A %.0f %.0f 0 %d 1 %.2f %.2f" fill="none" stroke="%s" stroke-width="%.0f"/>`,
		x1, y1, radius, radius, large, x2, y2, g.colour, ringWidth)
}

// block draws a swarm's label and the line to its position.
func (p *canvas) block(b block) {
	left, edge := margin, margin+blockWidth
	if b.right {
		left, edge = width-margin-blockWidth, width-margin-blockWidth
	}
	middle := b.y + blockGap/2 + blockInset + headHeight/2
	x1, y1 := around(p.cx, p.cy, radius+ringWidth/2, uint64(b.id))
	x2, y2 := around(p.cx, p.cy, radius+ringWidth/2+22, uint64(b.id))
	p.add(`<polyline points="%.1f,%.1f %.1f,%.1f %.1f,%.1f" fill="none" stroke="%s" stroke-width="1.2"/>`,
		x1, y1, x2, y2, edge, middle, b.colour)
	p.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="5" fill="#f6f6f6"/>`,
		left, b.y+blockGap/2, blockWidth, b.height-blockGap)
	p.add(`<rect x="%.1f" y="%.1f" width="5" height="%.1f" rx="2" fill="%s"/>`,
		left, b.y+blockGap/2, b.height-blockGap, b.colour)
	p.add(`<text x="%.1f" y="%.1f" font-size="12"><tspan font-weight="bold" fill="%s">swarm `+
		`%s</tspan><tspan fill="#777777" dx="8">%d %s</tspan></text>`,
		left+14, middle+4, b.colour, b.id, len(b.nodes), plural(len(b.nodes), "node"))
	for i, node := range b.nodes {
		x, y := left+14+keyWidth*float64(i%keysPerRow), middle+headHeight/2+rowHeight*float64(i/keysPerRow)+8
		p.add(`<text x="%.1f" y="%.1f" font-size="11" font-family="Menlo, Consolas, monospace" `+
			`fill="#333333">%s<title>%s</title></text>`,
			x, y, escape(short(node.Name)), escape(node.Name))
	}
}

// mark draws a mark inside the ring, and its line of the legend at y. The more marks before it are close to it, the
// further inside it is drawn.
func (p *canvas) mark(groups []group, before []RingMark, mark RingMark, y float64) {
	number, depth := len(before)+1, markDepth
	for _, other := range before {
		apart := mark.Position - other.Position
		if min(apart, -apart) < math.MaxUint64/32 && depth < radius-60 {
			depth += markStep
		}
	}
	x1, y1 := around(p.cx, p.cy, radius-ringWidth/2, mark.Position)
	x, yDot := around(p.cx, p.cy, radius-depth, mark.Position)
	stroke, where := "#888888", "no swarm"
	if i := chosen(groups, mark); i >= 0 {
		stroke, where = groups[i].colour, "swarm "+groups[i].id.String()
	}
	p.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#222222" stroke-width="1.5"/>`, x1, y1, x, yDot)
	p.dot(x, yDot, number, stroke, mark.Name)
	p.dot(margin+11, y, number, stroke, mark.Name)
	p.add(`<text x="%.1f" y="%.1f" font-size="12" font-family="Menlo, Consolas, monospace" fill="#333333">%s</text>`,
		margin+30, y+4, escape(mark.Name))
	p.add(`<text x="%.1f" y="%.1f" font-size="12" text-anchor="end" fill="%s">%s, at %016x</text>`,
		width-margin, y+4, stroke, where, mark.Position)
}

func (p *canvas) dot(x, y float64, number int, fill, name string) {
	p.add(`<circle cx="%.1f" cy="%.1f" r="10" fill="%s" stroke="#222222" stroke-width="1.5"><title>%s</title></circle>`,
		x, y, fill, escape(name))
	p.add(`<text x="%.1f" y="%.1f" font-size="11" font-weight="bold" fill="#ffffff" text-anchor="middle">%d</text>`,
		x, y+4, number)
}
