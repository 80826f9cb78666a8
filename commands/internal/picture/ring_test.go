package picture

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"sessiontool/lib/swarm"
)

// at is a node in a swarm of which nothing else is known.
func at(name string, id swarm.SwarmID) RingNode { return RingNode{Name: name, Swarm: id} }

// example is two swarms, at a quarter and at three quarters of the ring, a node outside, and two Session IDs.
func example() Ring {
	return Ring{
		Nodes: []RingNode{
			at("aaaaaaaaaa", 1<<62), at("bbbbbbbbbb", 3<<62), at("cccccccccc", 1<<62), at("dddddddddd", swarm.NoSwarm),
		},
		Marks: []RingMark{{"05first", 1<<62 + 5}, {"05second", math.MaxUint64 - 3}},
	}
}

// parse fails the test if the text is no XML, and counts its elements.
func parse(t *testing.T, text []byte) map[string]int {
	t.Helper()
	elements := make(map[string]int)
	decoder := xml.NewDecoder(bytes.NewReader(text))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return elements
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if start, ok := token.(xml.StartElement); ok {
			elements[start.Name.Local]++
		}
	}
}

func TestRingSVG(t *testing.T) {
	text := example().SVG()
	elements := parse(t, text)
	if elements["path"] != 2 || elements["polyline"] != 2 {
		t.Errorf("two swarms have %d parts of the ring and %d labels", elements["path"], elements["polyline"])
	}
	for _, want := range []string{
		">swarm 4000000000000000<", ">aaaaaaaa<title>aaaaaaaaaa<", ">cccccccc<", "and 1 in none", ">05first<",
		"swarm 4000000000000000, at 4000000000000005", "swarm c000000000000000, at fffffffffffffffc",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the picture lacks %s", want)
		}
	}
	if strings.Contains(string(text), "dddddddd") {
		t.Error("a node in no swarm is drawn in one")
	}
	if !bytes.Equal(text, example().SVG()) {
		t.Error("the same map makes another picture")
	}
}

// Labels on one side of the ring never overlap, however many there are and wherever their swarms lie.
func TestLabelsDoNotOverlap(t *testing.T) {
	var r Ring
	for s := range 60 {
		for n := range 3 {
			r.Nodes = append(r.Nodes, at(fmt.Sprintf("%02d%02d000000", s, n), swarm.SwarmID(s)<<50))
		}
	}
	parse(t, r.SVG())
	blocks, height := layOut(r.groups())
	if len(blocks) != 60 {
		t.Fatalf("%d labels for 60 swarms", len(blocks))
	}
	for i, b := range blocks {
		if b.y < top-1e-6 || b.y+b.height > top+height+1e-6 {
			t.Errorf("label %d is outside: %v to %v of %v", i, b.y, b.y+b.height, height)
		}
		if i > 0 && blocks[i-1].right == b.right && blocks[i-1].y+blocks[i-1].height > b.y+1e-6 {
			t.Errorf("labels %d and %d overlap", i-1, i)
		}
	}
}

// Whatever names contain, and however few nodes there are, the picture is well-formed.
func TestOddMaps(t *testing.T) {
	for name, r := range map[string]Ring{
		"empty":     {},
		"one swarm": {Nodes: []RingNode{at("a", 0)}, Marks: []RingMark{{"x", 0}, {"y", 0}, {"z", 1}}},
		"no swarm":  {Nodes: []RingNode{at("a", swarm.NoSwarm)}, Marks: []RingMark{{"x", 7}}},
		"names":     {Nodes: []RingNode{at(`<"&'\`, 1), at("\x00\xff", 2)}, Marks: []RingMark{{"<script>\n", 3}}},
	} {
		text := r.SVG()
		parse(t, text)
		if strings.Contains(string(text), "<script>") || strings.Contains(string(text), "NaN") {
			t.Errorf("%s: %s", name, text)
		}
		dot := string(r.DOT())
		if !strings.HasPrefix(dot, "graph swarms {\n") || !strings.HasSuffix(dot, "}\n") ||
			strings.Contains(dot, "NaN") {
			t.Errorf("%s: %s", name, dot)
		}
	}
}

func TestRingDOT(t *testing.T) {
	text := string(example().DOT())
	for _, want := range []string{
		`"swarm 4000000000000000" -- "swarm c000000000000000"`, `"swarm 4000000000000000" -- "cccccccccc"`,
		`"05first" -- "swarm 4000000000000000"`, `"05second" -- "swarm c000000000000000"`,
	} {
		if strings.Count(text, want) != 1 {
			t.Errorf("the graph lacks %s:\n%s", want, text)
		}
	}
	if got := quote(`a"b\`); got != `"a\"b\\"` {
		t.Errorf("quoted %s", got)
	}
}

// The border between swarms is where package swarm begins to prefer the other one.
func TestBorders(t *testing.T) {
	r := Ring{Nodes: []RingNode{at("a", 1000), at("b", 5000), at("c", 1<<63)}}
	groups := r.groups()
	for i, g := range groups {
		for _, at := range []struct {
			position uint64
			want     int
		}{{g.to - 2, i}, {g.to + 2, (i + 1) % len(groups)}, {g.from + 2, i}} {
			if got := chosen(groups, RingMark{Position: at.position}); got != at.want {
				t.Errorf("position %d belongs to swarm %d, is drawn in %d", at.position, got, at.want)
			}
		}
	}
}

// Marks cover neither the labels inside the ring nor each other, wherever they are; for very many there is no room.
func TestMarksCoverNothing(t *testing.T) {
	places := map[string]func(i int) uint64{
		"at the quarters": func(i int) uint64 { return uint64(i) << 62 },
		"in one place":    func(int) uint64 { return 77 },
		"all around":      func(i int) uint64 { return uint64(i) * (math.MaxUint64 / 37) },
	}
	for name, place := range places {
		for _, count := range []int{1, 4, 12, 40} {
			var marks []RingMark
			for i := range count {
				marks = append(marks, RingMark{Name: fmt.Sprint(i), Position: place(i)})
			}
			spots := placeMarks(marks)
			for i, s := range spots {
				x, y := s.point()
				if math.Hypot(x, y) < middleSize+markRadius || math.Hypot(x, y) > radius-ringWidth/2-markRadius {
					t.Errorf("%s: mark %d of %d is %v from the middle", name, i, count, math.Hypot(x, y))
				}
				for k, other := range spots[:i] {
					if ox, oy := other.point(); math.Hypot(x-ox, y-oy) < 2*markRadius {
						t.Errorf("%s: marks %d and %d of %d overlap", name, k, i, count)
					}
				}
				for quarter := range 4 {
					qx, qy := around(0, 0, quarterAt, quarterPlace(quarter, marks))
					if math.Hypot(x-qx, y-qy) < markRadius+quarterSize {
						t.Errorf("%s: mark %d of %d covers the label of quarter %d", name, i, count, quarter)
					}
				}
			}
			if count == 4 {
				for quarter := range 4 {
					if label := quarterPlace(quarter, marks); apart(label, marks[quarter].Position) < markTurn {
						t.Errorf("%s: the line of a mark crosses the label of quarter %d", name, quarter)
					}
				}
			}
		}
	}
	many := make([]RingMark, 500)
	parse(t, Ring{Nodes: []RingNode{at("a", 1)}, Marks: many}.SVG())
}

// The symbols of nodes show who answers, who is in trouble and who is silent, and how much a node holds.
func TestHealth(t *testing.T) {
	plain := parse(t, example().SVG())
	r := example()
	r.Nodes[0].Health, r.Nodes[0].Fill, r.Nodes[0].Note = HealthAnswers, 0.25, "version <2>, 7 messages"
	r.Nodes[1].Health, r.Nodes[1].Fill = HealthTrouble, 1
	r.Nodes[2].Health, r.Nodes[2].Fill = HealthSilent, 1
	text := r.SVG()
	elements := parse(t, text)
	// Three nodes and three entries of the legend have a rim; two nodes and one entry are filled, two have a cross.
	if got := elements["circle"] - plain["circle"]; got != 9 {
		t.Errorf("%d circles more, want 9", got)
	}
	if got := elements["path"] - plain["path"]; got != 2 {
		t.Errorf("%d crosses, want 2", got)
	}
	for _, want := range []string{"aaaaaaaaaa: version &lt;2&gt;, 7 messages<", "does not answer<", "stroke-dasharray"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the picture lacks %s", want)
		}
	}
	dot := string(r.DOT())
	for _, want := range []string{"style=dotted, fontcolor", "style=dashed, fontcolor", `tooltip="aaaaaaaaaa: version <2>, 7 messages"`} {
		if strings.Count(dot, want) != 1 {
			t.Errorf("the graph lacks %s:\n%s", want, dot)
		}
	}
}

// Ways are lines from hop to hop, with a line of the legend. Nodes of one swarm
// are apart, and no line crosses the words in the middle.
func TestWays(t *testing.T) {
	r := example()
	before := parse(t, r.SVG())
	r.Ways = []RingWay{
		{Hops: []string{"aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc", "unknown<"}, Note: "store, answer after 5ms"},
		{Hops: []string{"bbbbbbbbbb", "aaaaaaaaaa"}, Failed: true, Note: "no answer"},
	}
	text := r.SVG()
	after := parse(t, text)
	if after["path"] != before["path"]+4 || after["circle"] != before["circle"]+6 || after["line"] != before["line"]+2 {
		t.Errorf("the ways add %v to %v", after, before)
	}
	for _, want := range []string{
		"way 1: aaaaaaaa &gt; bbbbbbbb &gt; cccccccc &gt; unknown&lt;: store, answer after 5ms<", "way 2, relay 1: aaaaaaaaaa",
		`stroke-dasharray="5 4"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the picture lacks %s", want)
		}
	}
	groups := r.groups()
	if a, c := hopPlace(groups, "aaaaaaaaaa"), hopPlace(groups, "cccccccccc"); a == c || apart(a, 1<<62) > math.MaxUint64/60 {
		t.Errorf("two nodes of a swarm are at %x and %x", a, c)
	}
	p := &canvas{}
	x, y := p.bend(-100, 0, 100, 0)
	if math.Hypot(x, y) < 75 {
		t.Errorf("a line through the middle bends to %v, %v", x, y)
	}
	if dot := string(r.DOT()); !strings.Contains(dot, `"aaaaaaaaaa" -- "bbbbbbbbbb" [style=bold`) ||
		!strings.Contains(dot, `"bbbbbbbbbb" -- "aaaaaaaaaa" [style=dashed`) || strings.Contains(dot, "unknown<") {
		t.Errorf("the graph is %s", dot)
	}
}
