package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/network/latency"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
)

// faults are ways in which a node can fail others.
var faults = map[string]func(*fakenet.Node){
	"stopped": (*fakenet.Node).Stop,
	"cuts": func(n *fakenet.Node) {
		n.Intercept(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
	},
	"not ready": func(n *fakenet.Node) { n.Intercept(respond(503, onion.TextNotReady+n.Name())) },
	"timeouts":  func(n *fakenet.Node) { n.Intercept(respond(504, onion.TextTimeout)) },
	"lost key":  func(n *fakenet.Node) { n.Intercept(respond(400, onion.TextCiphertext)) },
	"garbage":   func(n *fakenet.Node) { n.Intercept(respond(200, "<html>")) },
	"redirects": func(n *fakenet.Node) { n.Intercept(respond(302, "")) },
}

func respond(status int, text string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		fmt.Fprint(w, text)
		return true
	}
}

// A failing node is found and left out wherever it is in the path, and no other node is blamed.
func TestHopFails(t *testing.T) {
	for name, fail := range faults {
		for at := range Hops {
			t.Run(fmt.Sprintf("%s at %d", name, at), func(t *testing.T) {
				net := startFakenet(t, 8)
				c := clientOf(t, net)
				group, target, path := pathTo(t, c, net.Nodes[0])
				fail(fakeNode(t, net, path[at]))
				answer, err := group.Request(t.Context(), target, question(t))
				if err != nil {
					t.Fatal(err)
				}
				if keysOf(answer.Path)[path[at].Ed25519] {
					t.Error("the answer came through the failed hop")
				}
				for _, node := range net.Nodes {
					if got := hasFailed(c, node.Key()); got != (node.Key() == [32]byte(path[at].Ed25519)) {
						t.Errorf("node %s is blamed: %t", node.Name(), got)
					}
				}
				for range 20 {
					path, err := c.Path(t.Context(), target.Ed25519)
					if err != nil || keysOf(path)[answer.Path[0].Ed25519] && hasFailed(c, path[0].Ed25519) {
						t.Fatalf("path %v, %v", path, err)
					}
					for _, hop := range path {
						if hasFailed(c, hop.Ed25519) {
							t.Fatalf("%s is in a path again", hop.Ed25519)
						}
					}
				}
			})
		}
	}
}

// A failing target is reported at once, and no hop is blamed.
func TestTargetFails(t *testing.T) {
	for name, fail := range faults {
		t.Run(name, func(t *testing.T) {
			net := startFakenet(t, 8)
			c := clientOf(t, net)
			target := nodeOf(t, c, net.Nodes[0])
			guards := currentGuards(t, c)
			delete(guards, target.Ed25519)
			fail(net.Nodes[0])
			if _, err := c.Request(t.Context(), target, question(t)); !errors.Is(err, ErrTarget) ||
				!strings.Contains(err.Error(), target.Ed25519.String()) {
				t.Errorf("got %v, want ErrTarget", err)
			}
			for _, node := range net.Nodes {
				if got := hasFailed(c, node.Key()); got != (node == net.Nodes[0]) {
					t.Errorf("node %s is blamed: %t", node.Name(), got)
				}
			}
		})
	}
}

// pathTo starts a group and returns the path that its requests to a node will take.
func pathTo(t *testing.T, c *Client, to *fakenet.Node) (group *Group, target Node, path []Node) {
	t.Helper()
	target, group = nodeOf(t, c, to), c.Group()
	path, err := group.path(t.Context(), target.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	return group, target, path
}

// More hops may have failed than one.
func TestSeveralHopsFail(t *testing.T) {
	net := startFakenet(t, 10)
	c := clientOf(t, net)
	group, target, path := pathTo(t, c, net.Nodes[0])
	for _, hop := range path {
		fakeNode(t, net, hop).Stop()
	}
	if _, err := group.Request(t.Context(), target, question(t)); err != nil {
		t.Error(err)
	}
}

// A node that accepts a connection and never answers counts as dead, wherever it is in the path, and no other node is
// blamed: whether relays in front of it report that soon, or long after the client's patience has ended.
func TestSilentNode(t *testing.T) {
	for name, hopTime := range map[string]time.Duration{"soon": 700 * time.Millisecond, "late": 30 * time.Second} {
		for place, at := range map[string]int{"guard": 0, "relay": 2, "target": Hops} {
			t.Run(place+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					net := &quietNet{hopTime: hopTime}
					c := net.client(t)
					nodes, err := c.Nodes(t.Context())
					if err != nil || len(nodes) != quietNodes {
						t.Fatalf("%d nodes, %v", len(nodes), err)
					}
					group, target := c.Group(), nodes[0]
					path, err := group.path(t.Context(), target.Ed25519)
					if err != nil {
						t.Fatal(err)
					}
					net.silent.Store(&append(path[:len(path):len(path)], target)[at])
					started := time.Now()
					_, err = group.Request(t.Context(), target, question(t))
					if at < Hops && err != nil || at == Hops && !errors.Is(err, ErrTarget) {
						t.Errorf("got %v", err)
					}
					if took := time.Since(started); took > 5*time.Second {
						t.Errorf("it took %v", took)
					}
					c.work.Wait()
					for _, node := range nodes {
						if got := hasFailed(c, node.Ed25519); got != (node == *net.silent.Load()) {
							t.Errorf("node %s is blamed: %t", node.Ed25519, got)
						}
					}
				})
			})
		}
	}
}

// quietNodes is how many nodes a quietNet has.
const quietNodes = 8

// quietNet is a network in memory of which a node is silent. The hop in front of it reports that after hopTime. Other
// nodes answer at once, stores after slow.
type quietNet struct {
	hopTime, slow time.Duration
	silent        atomic.Pointer[Node]
	stored, asked atomic.Int64 // requests that were answered: stores, and others
}

// client makes a client of the network that takes nodes for late as soon as those of users do.
func (q *quietNet) client(t *testing.T) *Client {
	t.Helper()
	config := configOf(t, "http://seed")
	config.Transport, config.Carry, config.Late = q, q.carry, 0
	return open(t, config)
}

// RoundTrip implements [http.RoundTripper] as a seed.
func (*quietNet) RoundTrip(*http.Request) (*http.Response, error) {
	var entries []string
	for i := range quietNodes {
		entries = append(entries, fakenet.SeedEntry(map[string]string{
			"pubkey_ed25519": `"` + strings.Repeat(fmt.Sprintf("%02x", 0xa1+i), 32) + `"`,
		}))
	}
	body := io.NopCloser(bytes.NewReader(fakenet.SeedAnswer(entries...)))
	return &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Body: body}, nil
}

// carry is a [Carrier].
func (q *quietNet) carry(ctx context.Context, path []Node, target Node, body []byte) (Carried, error) {
	at := -1
	if silent := q.silent.Load(); silent != nil {
		at = slices.Index(append(path[:len(path):len(path)], target), *silent)
	}
	switch at {
	case -1:
		if strings.Contains(string(body), `"`+storage.MethodStore+`"`) {
			<-time.After(q.slow)
			q.stored.Add(1)
		} else {
			q.asked.Add(1)
		}
		return Carried{Response: onion.Response{Status: storage.StatusOK, Body: "{}"}}, nil
	case 0:
		<-ctx.Done()
		return Carried{}, context.Cause(ctx)
	}
	select {
	case <-time.After(q.hopTime):
		return Carried{Refused: http.StatusGatewayTimeout, Text: onion.TextTimeout}, nil
	case <-ctx.Done():
		return Carried{}, context.Cause(ctx)
	}
}

// A target that takes its time for a request, but answers probes, is waited for and not asked twice, if it may take its
// time.
func TestSlowTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &quietNet{slow: 4 * latency.Soonest}
		c := net.client(t)
		nodes, err := c.Nodes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		body, err := storage.NewRequest(storage.MethodStore, struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		currentGuards(t, c)
		c.learnAnswer(Call{}, time.Millisecond)
		net.asked.Store(0)
		if _, err := c.Do(t.Context(), nodes[0], Call{Method: storage.MethodStore, Body: body, Slow: true, Late: func(bool) {
			t.Error("it counts as late")
		}}); err != nil {
			t.Fatal(err)
		}
		c.work.Wait()
		if hasFailed(c, nodes[0].Ed25519) {
			t.Error("it is blamed")
		}
		if stored, probed := net.stored.Load(), net.asked.Load(); stored != 1 || probed == 0 {
			t.Errorf("it was asked %d times and probed %d times", stored, probed)
		}
	})
}

// When answers are late is remembered from run to run, and forgotten slowly.
func TestLateIsLearned(t *testing.T) {
	net := startFakenet(t, 5)
	config := configOf(t, net.SeedURL())
	config.Late = 0
	call := Call{Method: storage.MethodRetrieve}
	want := func(c *Client, when string, call Call, want time.Duration) {
		t.Helper()
		if got := c.lateAfter(call); got != want {
			t.Errorf("%s an answer is late after %v, want %v", when, got, want)
		}
	}
	runs := []struct{ took, late time.Duration }{
		{300 * time.Millisecond, 512 * time.Millisecond}, {10 * time.Millisecond, 256 * time.Millisecond},
		{10 * time.Millisecond, latency.Soonest}, {time.Minute, latency.Latest},
	}
	want(open(t, config), "at first", call, latency.Unknown)
	for _, run := range runs {
		c, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		for range 16 {
			c.learnAnswer(call, run.took)
		}
		closeClient(t, c)
		c = open(t, config)
		want(c, "after "+run.took.String(), call, run.late)
		want(c, "of another method after "+run.took.String(), Call{Method: storage.MethodStore, Slow: true}, run.late)
	}
}

// A relay that does not know the next hop shows that the node list is old: it is fetched, and the way goes on without
// the hop that is gone.
func TestHopIsNoLongerRegistered(t *testing.T) {
	for _, at := range []int{1, 2, Hops} {
		t.Run(fmt.Sprint("hop ", at), func(t *testing.T) {
			net, clock := startFakenet(t, 8), newClock()
			config := configOf(t, net.SeedURL())
			config.Now = clock.Now
			c := open(t, config)
			group, target, path := pathTo(t, c, net.Nodes[0])
			gone := fakeNode(t, net, append(path[:len(path):len(path)], target)[at])
			var left []*fakenet.Node
			for _, node := range net.Nodes {
				if node != gone {
					left = append(left, node)
				}
			}
			net.List(left...)
			clock.pass(askAgainAfter)
			if _, err := group.Request(t.Context(), target, question(t)); at < Hops && err != nil || at == Hops &&
				!errors.Is(err, ErrTarget) {
				t.Errorf("%v", err)
			}
			if _, known := c.Node(gone.Key()); known {
				t.Errorf("it is still in the list")
			}
			for _, node := range left {
				if hasFailed(c, node.Key()) {
					t.Errorf("node %s is blamed", node.Name())
				}
			}
		})
	}
}

// What a hop says about others is not believed.
func TestHopThatSlanders(t *testing.T) {
	net := startFakenet(t, 8)
	c := clientOf(t, net)
	group, target, path := pathTo(t, c, net.Nodes[0])
	fakeNode(t, net, path[1]).Intercept(respond(503, onion.TextNotReady+target.Ed25519.String()))
	if _, err := group.Request(t.Context(), target, question(t)); err != nil {
		t.Error(err)
	}
	if hasFailed(c, target.Ed25519) || !hasFailed(c, path[1].Ed25519) {
		t.Error("the target is blamed for what a relay says")
	}
}

// A relay whose registered key is no key at all is left out like one that does not answer.
func TestHopWithLowOrderKey(t *testing.T) {
	net := startFakenet(t, 8)
	c := clientOf(t, net)
	group, target, path := pathTo(t, c, net.Nodes[0])
	path[1].X25519 = Key{}
	if _, err := group.Request(t.Context(), target, question(t)); err != nil || !hasFailed(c, path[1].Ed25519) {
		t.Errorf("got %v; node blamed: %t", err, hasFailed(c, path[1].Ed25519))
	}
}

// A failure is forgiven after a while.
func TestFailureIsForgiven(t *testing.T) {
	net, clock := startFakenet(t, 12), newClock()
	config := configOf(t, net.SeedURL())
	config.Now = clock.Now
	c := open(t, config)
	nodes, err := c.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.markFailed(nodes[0], errors.New("test"))
	for range 20 {
		if last := c.Shuffle(nodes)[len(nodes)-1]; last != nodes[0] {
			t.Fatalf("%s comes last", last.Ed25519)
		}
	}
	clock.pass(failedFor)
	for range 1000 {
		if c.Shuffle(nodes)[0] == nodes[0] {
			return
		}
	}
	t.Error("it never comes first again")
}
