package page

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/devnet"
	"sessiontool/lib/node"
	"sessiontool/lib/swarm"
)

func collect(t *testing.T, n *network, now *time.Time) *collector {
	t.Helper()
	c, err := newCollector(n, func() time.Time { return *now }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// However much happens, a frame, the history and the followed messages stay within their bounds, and nothing is
// uncounted.
func TestBounds(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	n := newNetwork(300, 5)
	now := time.Unix(1_000_000, 0)
	c := collect(t, n, &now)
	s := c.open()
	<-s.frames
	for second := range historySeconds + 50 {
		now = now.Add(time.Second)
		for i := range 300 {
			c.add(i, node.Event{Kind: node.EventRelayed, Hop: i % 4, Peer: n.state.Nodes[(i+second)%300].PubkeyEd25519})
			c.add(i, node.Event{Kind: node.EventStored, Hashes: []string{fmt.Sprint("hash ", second, " ", i)}})
		}
		c.send(now, true)
		text := <-s.frames
		if second%100 != 0 {
			continue
		}
		if len(text) > 16<<10 {
			t.Fatalf("a frame has %d bytes", len(text))
		}
		var tick tickText
		if err := json.Unmarshal(text[strings.IndexByte(string(text), '{'):], &tick); err != nil {
			t.Fatal(err)
		}
		if tick.Counts[kindOnion] != 300 || tick.Counts[kindStored] != 300 {
			t.Fatalf("counted %v", tick.Counts)
		}
		if limit := perFrame[kindOnion] + perFrame[kindEnter] + perFrame[kindStored]; len(tick.Events) > limit {
			t.Fatalf("%d events in a frame, want at most %d", len(tick.Events), limit)
		}
		if len(tick.Messages) > maxMessagesInFrame {
			t.Fatalf("%d messages in a frame", len(tick.Messages))
		}
	}
	if len(c.history.seconds) != historySeconds || len(c.followed.order) != maxFollowed ||
		len(c.followed.byHash) != maxFollowed {
		t.Errorf("%d seconds, %d messages, %d by hash", len(c.history.seconds), len(c.followed.order),
			len(c.followed.byHash))
	}
	for range 3 * maxMarks {
		c.history.mark(now, "something")
	}
	if len(c.history.marks) != maxMarks || len(c.history.unsent) > maxMarks {
		t.Errorf("%d marks, %d to send", len(c.history.marks), len(c.history.unsent))
	}
	if hello := c.hello(now); len(hello) > 128<<10 {
		t.Errorf("the first frame has %d bytes", len(hello))
	}
}

// A client that does not read is cut off; one too many is refused; both make room when they are gone.
func TestStreamsAreBounded(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	c := collect(t, newNetwork(4, 4), &now)
	slow := c.open()
	for range streamBuffer {
		now = now.Add(time.Second)
		c.send(now, true)
	}
	if len(c.streams) != 0 {
		t.Error("a client that does not read is kept")
	}
	for range slow.frames { // ends, because the stream is closed
	}
	var all []*stream
	for range maxStreams {
		all = append(all, c.open())
	}
	if c.open() != nil {
		t.Error("one stream too many is opened")
	}
	c.leave(all[0])
	c.leave(all[0])
	if c.open() == nil {
		t.Error("no stream is opened in place of one that is gone")
	}
	c.close()
	if c.open() != nil {
		t.Error("a closed page opens a stream")
	}
}

// A client address has a bounded number of requests a second.
func TestRequestsAreBounded(t *testing.T) {
	p := serve(t, newNetwork(4, 4), nil)
	synctest.Test(t, func(t *testing.T) { // no time passes
		handler, served := p.handler(), 0
		for range 10 * requestRate {
			r, w := httptest.NewRequest("GET", "/assets/icon.svg", nil), httptest.NewRecorder()
			r.Host = p.hosts[0]
			switch handler.ServeHTTP(w, r); w.Code {
			case http.StatusOK:
				served++
			case http.StatusTooManyRequests:
			default:
				t.Fatalf("status %d", w.Code)
			}
		}
		if served != 2*requestRate {
			t.Errorf("%d of %d requests are served", served, 10*requestRate)
		}
	})
}

// Every node is inside the picture, and no two overlap, for any size of network.
func TestRingLayout(t *testing.T) {
	for _, size := range []struct{ nodes, swarm int }{{1, 1}, {2, 1}, {4, 4}, {12, 6}, {60, 5}, {300, 5}, {300, 50}, {1000, 5}} {
		picture := drawRing(newViewOf(t, size.nodes, size.swarm))
		if len(picture.Dots) != size.nodes {
			t.Errorf("%v: %d nodes are drawn", size, len(picture.Dots))
		}
		closest := math.Inf(1)
		for i, a := range picture.Dots {
			if far := math.Hypot(a.X-middle, a.Y-middle) + picture.Diameter/2; far > bandRadius {
				t.Errorf("%v: node %d reaches to %v", size, i, far)
			}
			for _, b := range picture.Dots[:i] {
				closest = min(closest, math.Hypot(a.X-b.X, a.Y-b.Y))
			}
		}
		if size.nodes <= 300 && closest < picture.Diameter {
			t.Errorf("%v: nodes of diameter %v are %v apart", size, picture.Diameter, closest)
		}
		if size.nodes == 12 && !picture.Numbered || size.nodes == 300 && picture.Diameter < 10 {
			t.Errorf("%v: diameter %v", size, picture.Diameter)
		}
	}
	empty := drawRing(newView(devnet.Inspection{Nodes: []devnet.InspectedNode{
		{NodeInfo: devnet.NodeInfo{SwarmID: swarm.NoSwarm}, Failed: "no disk"},
	}}, nil))
	if len(empty.Arcs) != 0 || len(empty.Dots) != 1 || empty.Dots[0].Status != statusFailed {
		t.Errorf("%+v", empty)
	}
}

// A name on the ring is as long as its part of the ring allows.
func TestNameThatFits(t *testing.T) {
	a := arcPicture{ID: "3fffffffffffffff", Nodes: 6}
	for length, want := range map[float64]string{
		260: "swarm 3fffffffffffffff · 6", 259: "3fffffffffffffff", 160: "3fffffffffffffff", 159: "3fffff…", 70: "3fffff…", 69: "",
	} {
		if got := nameThatFits(a, length); got != want {
			t.Errorf("%v has room for %q, want %q", length, got, want)
		}
	}
	for _, arc := range drawRing(newViewOf(t, 96, 6)).Arcs {
		if arc.Name == "" || arc.Along == "" || len(arc.ID) == 16 && arc.Name != arc.ID {
			t.Errorf("of 16 swarms %s is called %q along %q", arc.ID, arc.Name, arc.Along)
		}
	}
}

func newViewOf(t *testing.T, nodes, size int) *view {
	t.Helper()
	state, err := newNetwork(nodes, size).Inspect()
	if err != nil {
		t.Fatal(err)
	}
	return newView(state, nil)
}

// Another network at the address of a page that is open is another topology.
func TestTopologiesOfProcesses(t *testing.T) {
	if one, other := newViewOf(t, 8, 4), newViewOf(t, 12, 4); one.topology == other.topology {
		t.Errorf("both have topology %d", one.topology)
	}
}

// What changes between two inspections is described for all nodes together. Another list of nodes is another topology,
// and what was followed in the old one is forgotten.
func TestChanges(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	n := newNetwork(8, 4)
	c := collect(t, n, &now)
	drop := []devnet.NodeFault{{Fault: devnet.Fault{Kind: devnet.FaultDrop, Share: 0.5, Requests: "peer"}}}
	n.change(func(state *devnet.Inspection) {
		for i := range state.Nodes {
			state.Nodes[i].Faults = drop
		}
		state.Nodes[2].Faults, state.Nodes[2].Running, state.Nodes[3].Running = nil, false, false
	})
	c.inspect()
	n.change(func(state *devnet.Inspection) {
		state.Nodes[2].Running, state.Nodes[0].Faults = true, nil
	})
	c.inspect()
	c.followed.add("hash", 0, client, now, c.view)
	topology := c.view.topology
	n.change(func(state *devnet.Inspection) { state.Nodes = state.Nodes[:7] })
	c.inspect()
	want := []string{
		"fault drop 50% (peer): nodes 0, 1, 4, 5, 6, 7", "stopped: nodes 2, 3", "cleared drop 50% (peer): node 0",
		"started: node 2", "the list of nodes has changed",
	}
	var got []string
	for _, m := range c.history.marks {
		got = append(got, m.Text)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if c.view.topology != topology+1 || len(c.followed.order) != 0 {
		t.Errorf("topology %d, %d messages", c.view.topology, len(c.followed.order))
	}
	c.add(7, node.Event{Kind: node.EventExited}) // of a node that is gone
	n.change(func(state *devnet.Inspection) { n.failWith = fmt.Errorf("unreadable") })
	if c.inspect(); len(c.view.nodes) != 7 {
		t.Error("a failed inspection is adopted")
	}
}

// An action that is accepted is one change of named nodes.
func FuzzParseAction(f *testing.F) {
	for _, text := range []string{
		`{"fault":"drop,share=0.1,node=3"}`, `{"clear":true,"nodes":["all"]}`, `{"clear":true,"kinds":["stop"],"nodes":["1"]}`,
		`{"difficulty":5}`, `{"clear":true}`, `{"fault":"stop","difficulty":1}`, `{} {}`, `[]`, `{"x":1}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := parseAction(body)
		if err != nil {
			return
		}
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseAction(text)
		if err != nil || fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", a) {
			t.Errorf("%q: %+v becomes %+v, %v", body, a, again, err)
		}
		if a.Clear && len(a.Nodes) == 0 {
			t.Errorf("%q clears the faults of no node in particular", body)
		}
	})
}

// A node that was stopped and started within a second is shown as stopped in it, and as running after it.
func TestHistoryKeepsWhatWasUndoneWithinASecond(t *testing.T) {
	var h history
	began := time.Unix(1_600_000_000, 0)
	runs, stopped := []status{statusRuns, statusRuns}, []status{statusRuns, statusStopped}
	for i, statuses := range [][]status{
		runs, runs, runs, runs,
		runs, stopped, runs, runs,
		runs, runs, runs, runs,
		stopped, stopped, stopped, stopped,
	} {
		h.add(began.Add(time.Duration(i)*250*time.Millisecond), &frame{}, &view{statuses: statuses})
	}
	for i, want := range [][]status{runs, stopped, runs, stopped} {
		if got := h.find(began.Unix() + int64(i)).statuses; !slices.Equal(got, want) {
			t.Errorf("second %d shows %v, want %v", i, got, want)
		}
	}
}
