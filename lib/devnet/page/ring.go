package page

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"sessiontool/lib/swarm"
)

// Measures of the ring, in units of its picture.
const (
	pictureSize = 1000.0
	middle      = pictureSize / 2
	bandRadius  = 448.0 // of the swarms' parts of the ring
	nameRadius  = 464.0
	rowRadius   = 400.0 // of the outer row of nodes; further rows are inside
	depth       = 130.0 // of all rows
	rowGap      = 5.0
	maxDot      = 54.0
	minDot      = 7.0
	maxRows     = 8
	numberedDot = 26.0  // nodes of this diameter show their number
	arcGap      = 0.012 // between the nodes of neighbours, in turns; at most maxGap of a swarm's part
	maxGap      = 0.18
	maxNames    = 16 // swarms of a ring that have their names on it
	hues        = 24
)

// ringPicture is the ring as the template draws it.
type ringPicture struct {
	Arcs     []arcPicture
	Dots     []dotPicture
	Diameter float64 // of a node
	Numbered bool
}

// arcPicture is the part of the ring that belongs to a swarm.
type arcPicture struct {
	ID    string
	Hue   int
	Path  string
	Name  string // "" if there is no room
	Along string // the path of the name
	Nodes int
}

// dotPicture is a node.
type dotPicture struct {
	*nodeView
	X, Y  float64
	Hue   int
	Inner float64 // radius of the filled part
}

// drawn is a swarm with the nodes of a view.
type drawn struct {
	id       swarm.SwarmID
	from, to float64 // its part of the ring, in turns
	nodes    []int
}

// drawRing lays out the ring: each node in the part of its swarm, in as many rows as make the nodes largest.
func drawRing(v *view) ringPicture {
	swarms, outside := swarmsOf(v)
	dot, rows := dotSize(swarms)
	picture := ringPicture{Diameter: dot, Numbered: dot >= numberedDot}
	for i, s := range swarms {
		picture.Arcs = append(picture.Arcs, drawArc(s, hueOf(i, len(swarms)), len(swarms)))
		for k, node := range s.nodes {
			angle, radius := placeInArc(s, k, rows, dot)
			x, y := point(radius, angle)
			picture.Dots = append(picture.Dots, newDot(&v.nodes[node], x, y, hueOf(i, len(swarms)), dot))
		}
	}
	for k, node := range outside { // in a row at the foot
		x := 30 + float64(k%40)*(minDot*3)
		y := pictureSize - 24 - float64(k/40)*minDot*3
		picture.Dots = append(picture.Dots, newDot(&v.nodes[node], x, y, -1, min(dot, 2*minDot)))
	}
	return picture
}

func newDot(n *nodeView, x, y float64, hue int, size float64) dotPicture {
	return dotPicture{n, round(x), round(y), hue, round(size / 2 * math.Sqrt(n.Fill))}
}

// swarmsOf returns the swarms in the order of the ring, and the nodes that are in none.
func swarmsOf(v *view) (swarms []drawn, outside []int) {
	places := make(map[swarm.SwarmID]int)
	for i := range v.nodes {
		id := v.nodes[i].state.SwarmID
		if id == swarm.NoSwarm {
			outside = append(outside, i)
			continue
		}
		at, ok := places[id]
		if !ok {
			at = len(swarms)
			places[id] = at
			swarms = append(swarms, drawn{id: id})
		}
		swarms[at].nodes = append(swarms[at].nodes, i)
	}
	slices.SortFunc(swarms, func(a, b drawn) int { return cmp.Compare(a.id, b.id) })
	for i := range swarms {
		next := (i + 1) % len(swarms)
		gap := uint64(swarms[next].id) - uint64(swarms[i].id) // wraps around at the end of the ring
		border := turn(uint64(swarms[i].id) + gap/2)
		swarms[i].to, swarms[next].from = border, border
	}
	for i := range swarms {
		if swarms[i].to <= swarms[i].from {
			swarms[i].to++ // across the top, or the whole ring
		}
	}
	return swarms, outside
}

// width is the part of the ring for a swarm's nodes, in turns.
func (s drawn) width() float64 {
	part := s.to - s.from
	return part - min(arcGap, maxGap*part)
}

func turn(position uint64) float64 { return float64(position) / math.MaxUint64 }

// dotSize returns the largest diameter of nodes that fits into all swarms, and the number of rows for it.
func dotSize(swarms []drawn) (dot float64, rows int) {
	dot, rows = 0, 1
	for count := 1; count <= maxRows; count++ {
		fits := min(maxDot, (depth-rowGap*float64(count-1))/float64(count))
		for _, s := range swarms {
			inner := rowRadius - depth*float64(count-1)/float64(maxRows)
			length := s.width() * 2 * math.Pi * inner
			perRow := math.Ceil(float64(len(s.nodes)) / float64(count))
			fits = min(fits, 0.86*length/perRow)
		}
		if fits > dot+0.5 {
			dot, rows = fits, count
		}
	}
	return max(dot, minDot), rows
}

// placeInArc returns the angle (in turns) and the radius of the k-th node of a swarm.
func placeInArc(s drawn, k, rows int, dot float64) (angle, radius float64) {
	perRow := (len(s.nodes) + rows - 1) / rows
	row, column := k/perRow, k%perRow
	inRow := min(perRow, len(s.nodes)-row*perRow)
	width := s.width()
	angle = (s.from+s.to-width)/2 + width*(float64(column)+0.5)/float64(inRow)
	return angle, rowRadius - float64(row)*(dot+rowGap)
}

func drawArc(s drawn, hue, count int) arcPicture {
	a := arcPicture{ID: s.id.String(), Hue: hue, Nodes: len(s.nodes)}
	gap := (s.to - s.from - s.width()) / 6
	from, to := s.from+gap, s.to-gap
	a.Path = arcPath(bandRadius, from, to, true)
	if count <= maxNames {
		a.Name = nameThatFits(a, (to-from)*2*math.Pi*nameRadius)
	}
	if a.Name != "" {
		centre := math.Mod((from+to)/2, 1)
		if centre > 0.25 && centre < 0.75 { // the lower half is written the other way round, to be upright
			a.Along = arcPath(nameRadius+12, from, to, false)
		} else {
			a.Along = arcPath(nameRadius, from, to, true)
		}
	}
	return a
}

// letter is the width of a letter of a name, on average.
const letter = 10.0

// nameThatFits returns the longest name of a swarm that fits into a length: a browser cuts off what is longer.
func nameThatFits(a arcPicture, length float64) string {
	for _, name := range []string{fmt.Sprintf("swarm %s · %d", a.ID, a.Nodes), a.ID, a.ID[:min(len(a.ID), 6)] + "…"} {
		if letter*float64(utf8.RuneCountInString(name)) <= length {
			return name
		}
	}
	return ""
}

// arcPath is a part of a circle, in two arcs because one cannot be a whole circle.
func arcPath(radius, from, to float64, clockwise bool) string {
	sweep := 1
	if !clockwise {
		from, to, sweep = to, from, 0
	}
	x1, y1 := point(radius, from)
	x2, y2 := point(radius, (from+to)/2)
	x3, y3 := point(radius, to)
	return fmt.Sprintf("M%.1f %.1fA%.0f %.0f 0 0 %d %.1f %.1fA%.0f %.0f 0 0 %d %.1f %.1f",
		x1, y1, radius, radius, sweep, x2, y2, radius, radius, sweep, x3, y3)
}

// point returns the point at an angle in turns, clockwise from the top.
func point(radius, angle float64) (x, y float64) {
	sin, cos := math.Sincos(2 * math.Pi * angle)
	return middle + radius*sin, middle - radius*cos
}

func round(x float64) float64 { return math.Round(10*x) / 10 }

// hueOf returns one of hues classes. Neighbours have distant hues.
func hueOf(i, count int) int {
	if count <= hues {
		return i * hues / max(count, 1)
	}
	return i * 7 % hues
}

// Radius returns the radius of the nodes.
func (r ringPicture) Radius() float64 { return round(r.Diameter / 2) }

// Halo returns the radius of the ring around a chosen node.
func (r ringPicture) Halo() float64 { return round(r.Diameter/2 + max(3.5, r.Diameter*0.12)) }

// Cross returns the path of the cross of a stopped node.
func (r ringPicture) Cross(dot dotPicture) string {
	arm := round(max(r.Diameter*0.22, 3))
	return fmt.Sprintf("M%.1f %.1fl%.1f %.1fm0 %.1fl%.1f %.1f",
		dot.X-arm, dot.Y-arm, 2*arm, 2*arm, -2*arm, -2*arm, 2*arm)
}
