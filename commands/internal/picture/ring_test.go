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

// example is two swarms, at a quarter and at three quarters of the ring, a node outside, and two Session IDs.
func example() Ring {
	return Ring{
		Nodes: []RingNode{
			{"aaaaaaaaaa", 1 << 62}, {"bbbbbbbbbb", 3 << 62}, {"cccccccccc", 1 << 62}, {"dddddddddd", swarm.NoSwarm},
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
			r.Nodes = append(r.Nodes, RingNode{fmt.Sprintf("%02d%02d000000", s, n), swarm.SwarmID(s) << 50})
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
		"one swarm": {Nodes: []RingNode{{"a", 0}}, Marks: []RingMark{{"x", 0}, {"y", 0}, {"z", 1}}},
		"no swarm":  {Nodes: []RingNode{{"a", swarm.NoSwarm}}, Marks: []RingMark{{"x", 7}}},
		"names":     {Nodes: []RingNode{{`<"&'\`, 1}, {"\x00\xff", 2}}, Marks: []RingMark{{"<script>\n", 3}}},
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
	r := Ring{Nodes: []RingNode{{"a", 1000}, {"b", 5000}, {"c", 1 << 63}}}
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
