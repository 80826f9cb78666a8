// Package picture draws what commands show: Session IDs as QR codes (for a terminal, as PNG and as SVG), and the ring
// of swarms and Session IDs (as SVG, and as DOT for Graphviz). It is pure.
package picture

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"sessiontool/lib/swarm"
)

// Ring is the ring of swarms. The zero value is an empty ring. Its pictures are well formed for any names, positions
// and number of nodes, and the same ring gives the same bytes. Each mark is shown with the swarm that [swarm.Choose]
// returns.
type Ring struct {
	Nodes []RingNode
	Marks []RingMark
	Ways  []RingWay
}

// RingNode is a service node. Only the beginning of its name is shown.
type RingNode struct {
	Name   string
	Swarm  swarm.SwarmID // swarm.NoSwarm for a node that is in none
	Health Health
	Fill   float64 // the filled part of its symbol, from 0 to 1
	Note   string  // what else is known of it
}

// Health is whether a node answers.
type Health int

// The states of a node. A node of unknown health has no symbol.
const (
	HealthUnknown Health = iota
	HealthAnswers
	HealthTrouble // it answers, but something is wrong
	HealthSilent
)

// title is what a viewer shows of a node when it is pointed at.
func (n RingNode) title() string {
	if n.Note == "" {
		return n.Name
	}
	return n.Name + ": " + n.Note
}

// RingMark is a position on the ring to point out, such as that of a Session ID.
type RingMark struct {
	Name     string
	Position uint64
}

// shownName is how much of a node's name is shown.
const shownName = 8

func short(name string) string { return name[:min(len(name), shownName)] }

// group is a swarm with its nodes and the part of the ring that belongs to it.
type group struct {
	id       swarm.SwarmID
	nodes    []RingNode
	from, to uint64 // the border with the neighbour on either side, clockwise
	colour   string // "#rrggbb"
}

// groups returns the swarms in the order of the ring. Within a swarm nodes stay in the map's order.
func (r Ring) groups() []group {
	var all []group
	for _, node := range r.Nodes {
		if node.Swarm == swarm.NoSwarm {
			continue
		}
		i := slices.IndexFunc(all, func(g group) bool { return g.id == node.Swarm })
		if i < 0 {
			i = len(all)
			all = append(all, group{id: node.Swarm})
		}
		all[i].nodes = append(all[i].nodes, node)
	}
	slices.SortFunc(all, func(a, b group) int { return cmp.Compare(a.id, b.id) })
	for i := range all {
		next := (i + 1) % len(all)
		// The distance wraps around at the end of the ring, as it should.
		border := uint64(all[i].id) + (uint64(all[next].id)-uint64(all[i].id))/2
		all[i].to, all[next].from = border, border
		all[i].colour = colour(i, len(all))
	}
	return all
}

// chosen returns the index of the group that a mark belongs to, -1 if there is none.
func chosen(groups []group, mark RingMark) int {
	ids := make([]swarm.SwarmID, len(groups))
	for i, g := range groups {
		ids[i] = g.id
	}
	id, _ := swarm.Choose(mark.Position, ids)
	return slices.Index(ids, id)
}

// angle is where a position is on the ring, in radians clockwise from the top.
func angle(position uint64) float64 { return float64(position) / math.MaxUint64 * 2 * math.Pi }

// around returns the point at a distance from (cx, cy), in the direction of a position. Down is positive.
func around(cx, cy, distance float64, position uint64) (x, y float64) {
	sin, cos := math.Sincos(angle(position))
	return cx + distance*sin, cy - distance*cos
}

// colour returns the i-th of count colours that neighbours can be distinguished by: hues around the circle, of which
// every other one is darker.
func colour(i, count int) string {
	hue, lightness := float64(i)/float64(max(count, 1))*6, 0.48
	if i%2 == 1 {
		lightness = 0.4
	}
	const saturation = 0.5
	chroma := saturation * (1 - math.Abs(2*lightness-1))
	second := chroma * (1 - math.Abs(math.Mod(hue, 2)-1))
	rgb := [6][3]float64{
		{chroma, second, 0}, {second, chroma, 0}, {0, chroma, second},
		{0, second, chroma}, {second, 0, chroma}, {chroma, 0, second},
	}[int(hue)%6]
	base := lightness - chroma/2
	return fmt.Sprintf("#%02x%02x%02x", byteOf(rgb[0]+base), byteOf(rgb[1]+base), byteOf(rgb[2]+base))
}

func byteOf(part float64) int { return int(math.Round(part * 255)) }
