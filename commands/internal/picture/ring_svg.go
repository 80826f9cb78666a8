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
	markStep    = 24.0 // how much further if there is no room
	markTurn    = math.MaxUint64 / 72
	blockWidth  = 300.0
	keysPerRow  = 4
	keyWidth    = 72.0
	headHeight  = 22.0
	rowHeight   = 17.0
	blockGap    = 16.0
	blockInset  = 4.0
	legendLine  = 24.0
	symbol      = 4.5 // radius of a node's symbol
	markRadius  = 10.0
	markGap     = 3.0  // between marks, and from labels inside the ring
	middleSize  = 62.0 // radius of the labels in the middle
	quarterSize = 9.0  // of the label of a quarter
	quarterAt   = radius - ringWidth/2 - 17
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
// nodes on both sides, with symbols of their health; marks inside, numbered, with their names below; ways as lines. Marks cover neither
// labels nor each other, as far as there is room.
func (r Ring) SVG() []byte {
	groups := r.groups()
	blocks, height := layOut(groups)
	p := &canvas{cx: width / 2, cy: top + height/2}
	total := top + height + margin + float64(len(r.Marks)+len(r.Ways))*legendLine
	if r.checked() {
		total += legendLine
	}
	p.begin(total, heading, r.description(groups))
	p.title(r, len(groups))
	p.ring(groups)
	for _, b := range blocks {
		p.block(b)
	}
	spots := placeMarks(r.Marks)
	for i, mark := range r.Marks { // below all dots
		p.markLine(mark, spots[i])
	}
	for i, mark := range r.Marks {
		p.mark(groups, i, mark, spots[i], top+height+0.7*margin+float64(i)*legendLine)
	}
	p.ways(groups, r.Ways, top+height+0.7*margin+float64(len(r.Marks))*legendLine)
	p.quarters(r.Marks) // above the ways
	if r.checked() {
		p.legend(total - 0.6*legendLine)
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

// dark turns the colours round, and the hues back, for a reader whose system is dark. Printers are light.
const dark = `<style>@media (prefers-color-scheme:dark){svg{color-scheme:dark;filter:invert(.92) hue-rotate(180deg)}}</style>`

// begin begins a picture. Screen readers read the title and the description instead of it.
func (p *canvas) begin(height float64, title, description string) {
	p.add(`<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f `+
		`%.0f" font-family="Helvetica, Arial, sans-serif" role="img" aria-labelledby="title description">`,
		width, height, width, height)
	p.add(`<title id="title">%s</title>`, escape(title))
	p.add(`<desc id="description">%s</desc>`, escape(description))
	p.add("%s", dark)
	p.add(`<rect width="%.0f" height="%.0f" fill="#ffffff"/>`, width, height)
}

const heading = "Swarms of service nodes"

// description says in words what the picture shows.
func (r Ring) description(groups []group) string {
	lines := []string{fmt.Sprintf("A ring of %d swarms of %d nodes.", len(groups), len(r.Nodes))}
	for _, mark := range r.Marks {
		if i := chosen(groups, mark); i >= 0 {
			lines = append(lines, fmt.Sprintf("%s belongs to swarm %s.", mark.Name, groups[i].id))
		}
	}
	for i, way := range r.Ways {
		lines = append(lines, fmt.Sprintf("Way %d: %s.", i+1, way.text()))
	}
	if r.checked() {
		silent := 0
		for _, node := range r.Nodes {
			if node.Health == HealthSilent {
				silent++
			}
		}
		lines = append(lines, fmt.Sprintf("Nodes that do not answer: %d.", silent))
	}
	return strings.Join(lines, "\n")
}

func (p *canvas) title(r Ring, swarms int) {
	outside := 0
	for _, node := range r.Nodes {
		if node.Swarm == swarm.NoSwarm {
			outside++
		}
	}
	p.add(`<text x="%.0f" y="44" font-size="22" font-weight="bold" fill="#222222">%s</text>`,
		margin, heading)
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
	for _, g := range groups {
		x, y := around(p.cx, p.cy, radius, uint64(g.id))
		p.add(`<circle cx="%.1f" cy="%.1f" r="6" fill="#ffffff" stroke="%s" `+
			`stroke-width="3"><title>swarm %s</title></circle>`,
			x, y, g.colour, g.id)
	}
}

// checked reports whether the health of any node is known.
func (r Ring) checked() bool {
	return slices.ContainsFunc(r.Nodes, func(n RingNode) bool { return n.Health != HealthUnknown })
}

// quarters draws the scale of the ring. A label makes way for the line of a mark.
func (p *canvas) quarters(marks []RingMark) {
	for quarter := range 4 {
		position := uint64(quarter) << 62
		x1, y1 := around(p.cx, p.cy, radius-ringWidth/2, position)
		x2, y2 := around(p.cx, p.cy, radius-ringWidth/2-7, position)
		x, y := around(p.cx, p.cy, quarterAt, quarterPlace(quarter, marks))
		p.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#999999"/>`, x1, y1, x2, y2)
		p.add(`<text x="%.1f" y="%.1f" font-size="10" fill="#6a6a6a" text-anchor="middle" stroke="#ffffff" `+
			`stroke-width="3" paint-order="stroke">%s</text>`, x, y+3.5, []string{"0", "¼", "½", "¾"}[quarter])
	}
}

// quarterPlace returns the place of a quarter's label: at the quarter, or as near to it as the lines of marks allow.
func quarterPlace(quarter int, marks []RingMark) uint64 {
	position := uint64(quarter) << 62
	for step := range 5 {
		for _, shift := range []uint64{uint64(step) * markTurn, -uint64(step) * markTurn} {
			place := position + shift
			free := !slices.ContainsFunc(marks, func(m RingMark) bool { return apart(m.Position, place) < markTurn })
			if free {
				return place
			}
		}
	}
	return position
}

// apart is the distance of two positions on the ring.
func apart(a, b uint64) uint64 { return min(a-b, b-a) }

// spot is where a mark is drawn: its distance from the middle, and the position in whose direction it is.
type spot struct {
	distance float64
	position uint64
}

func (s spot) point() (x, y float64) { return around(0, 0, s.distance, s.position) }

// placeMarks finds room for marks: near their places on the ring, clear of the labels and of each other. Marks for which
// no room is left are drawn at their places.
func placeMarks(marks []RingMark) []spot {
	type obstacle struct{ x, y, size float64 }
	obstacles := []obstacle{{0, 0, middleSize}}
	for quarter := range 4 {
		x, y := around(0, 0, quarterAt, quarterPlace(quarter, marks))
		obstacles = append(obstacles, obstacle{x, y, quarterSize})
	}
	spots := make([]spot, len(marks))
	for i, mark := range marks {
		spots[i] = spot{radius - markDepth, mark.Position}
	search:
		for step := range 36 {
			for depth := markDepth; radius-depth > middleSize+markRadius; depth += markStep {
				for _, shift := range []uint64{uint64(step) * markTurn, -uint64(step) * markTurn} {
					s := spot{radius - depth, mark.Position + shift}
					x, y := s.point()
					hit := slices.ContainsFunc(obstacles, func(o obstacle) bool {
						return math.Hypot(x-o.x, y-o.y) < o.size+markRadius+markGap
					})
					if !hit {
						spots[i] = s
						break search
					}
				}
			}
		}
		x, y := spots[i].point()
		obstacles = append(obstacles, obstacle{x, y, markRadius})
	}
	return spots
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
		if node.Health != HealthUnknown {
			p.health(x+symbol, y-3.5, node.Health, node.Fill)
			x += 2*symbol + 3
		}
		p.add(`<text x="%.1f" y="%.1f" font-size="11" font-family="Menlo, Consolas, monospace" `+
			`fill="#333333">%s<title>%s</title></text>`,
			x, y, escape(short(node.Name)), escape(node.title()))
	}
}

// markLine draws the line from a mark's place on the ring to the mark.
func (p *canvas) markLine(mark RingMark, s spot) {
	x1, y1 := around(p.cx, p.cy, radius-ringWidth/2, mark.Position)
	x2, y2 := around(p.cx, p.cy, s.distance, s.position)
	p.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#222222" stroke-width="1.5"/>`, x1, y1, x2, y2)
}

// mark draws a mark inside the ring, and its line of the legend at y. i is its index.
func (p *canvas) mark(groups []group, i int, mark RingMark, s spot, y float64) {
	stroke, where := "#888888", "no swarm"
	if i := chosen(groups, mark); i >= 0 {
		stroke, where = groups[i].colour, "swarm "+groups[i].id.String()
	}
	x, yDot := around(p.cx, p.cy, s.distance, s.position)
	p.dot(x, yDot, i+1, stroke, mark.Name)
	p.dot(margin+11, y, i+1, stroke, mark.Name)
	p.add(`<text x="%.1f" y="%.1f" font-size="12" font-family="Menlo, Consolas, monospace" fill="#333333">%s</text>`,
		margin+30, y+4, escape(mark.Name))
	p.add(`<text x="%.1f" y="%.1f" font-size="12" text-anchor="end" fill="%s">%s, at %016x</text>`,
		width-margin, y+4, stroke, where, mark.Position)
}

// healthColours are those of symbols. A silent node also has a cross, and one in trouble a dashed rim.
var healthColours = [...]string{HealthAnswers: "#1f7a4d", HealthTrouble: "#9a6200", HealthSilent: "#b3261e"}

// health draws the symbol of a node, if its health is known.
func (p *canvas) health(x, y float64, health Health, fill float64) {
	if health == HealthUnknown {
		return
	}
	colour, dashes := healthColours[health], ""
	if health == HealthTrouble {
		dashes = ` stroke-dasharray="2.5 1.5"`
	}
	p.add(`<circle cx="%.1f" cy="%.1f" r="%.1f" fill="#ffffff" stroke="%s" stroke-width="1.5"%s/>`,
		x, y, symbol, colour, dashes)
	switch {
	case health == HealthSilent:
		p.add(`<path d="M%.1f %.1fl4 4m0 -4l-4 4" stroke="%s" stroke-width="1.5"/>`, x-2, y-2, colour)
	case fill > 0:
		p.add(`<circle cx="%.1f" cy="%.1f" r="%.1f" fill="%s"/>`, x, y, (symbol-0.5)*math.Sqrt(min(fill, 1)), colour)
	}
}

// legend explains the symbols.
func (p *canvas) legend(y float64) {
	x := margin + 11
	for _, entry := range []struct {
		health Health
		fill   float64
		text   string
	}{
		{HealthAnswers, 0.5, "answers; the filled part is its messages, against the fullest node"},
		{HealthTrouble, 0, "answers, with faults"}, {HealthSilent, 0, "does not answer"},
	} {
		p.health(x, y, entry.health, entry.fill)
		p.add(`<text x="%.1f" y="%.1f" font-size="12" fill="#555555">%s</text>`, x+12, y+4, entry.text)
		x += 40 + 6.2*float64(len(entry.text))
	}
}

func (p *canvas) dot(x, y float64, number int, fill, name string) {
	p.add(`<circle cx="%.1f" cy="%.1f" r="%.0f" fill="%s" stroke="#222222" stroke-width="1.5"><title>%s</title></circle>`,
		x, y, markRadius, fill, escape(name))
	p.add(`<text x="%.1f" y="%.1f" font-size="11" font-weight="bold" fill="#ffffff" text-anchor="middle">%d</text>`,
		x, y+4, number)
}
