package network

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"testing"

	"sessiontool/lib/internal/fakenet"
)

func TestGuardsAreKept(t *testing.T) {
	net, clock := startFakenet(t, 12), newClock()
	config := configOf(t, net.SeedURL())
	config.Now = clock.Now
	c := open(t, config)
	guards := currentGuards(t, c)
	if len(guards) != guardsWanted {
		t.Fatalf("%d guards, want %d", len(guards), guardsWanted)
	}
	for range 5 {
		closeClient(t, c)
		clock.pass(nodesUsedFor)
		c = open(t, config)
		for range 5 {
			path := ask(t, c, nodeOf(t, c, net.Nodes[0])).Path
			if guard := path[0].Ed25519; !guards[guard] {
				t.Fatalf("a later run goes through %s, which is no guard", guard)
			}
		}
		if later := currentGuards(t, c); !maps.Equal(later, guards) {
			t.Fatalf("guards have changed from %v to %v", guards, later)
		}
	}
}

// One guard that is lost is missed, but not replaced: the others are enough.
func TestGuardIsLost(t *testing.T) {
	net := startFakenet(t, 8)
	config := configOf(t, net.SeedURL())
	c := open(t, config)
	guards := slices.Collect(maps.Keys(currentGuards(t, c)))
	for lost, want := range []struct{ same, all int }{{2, 2}, {1, 3}} {
		node, _ := c.Node(guards[lost])
		fakeNode(t, net, node).Stop()
		c.markFailed(node, errors.New("stopped"))
		now := currentGuards(t, c)
		same := 0
		for _, key := range guards {
			if now[key] {
				same++
			}
		}
		if same != want.same || len(now) != want.all {
			t.Errorf("%d guards lost: of %d guards %d are the old ones, want %+v", lost+1, len(now), same, want)
		}
		closeClient(t, c)
		c = open(t, config)
		if later := currentGuards(t, c); !maps.Equal(later, now) {
			t.Errorf("%d guards lost: the next run has %v, not %v", lost+1, later, now)
		}
	}
}

// An attacker that can cut a client off for a moment must not make it choose other guards.
func TestOutageDoesNotChangeGuards(t *testing.T) {
	net := startFakenet(t, 20)
	config := configOf(t, net.SeedURL())
	c := open(t, config)
	guards, target := currentGuards(t, c), nodeOf(t, c, net.Nodes[0])
	cut := func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
	everywhere(net, cut)
	for range 3 {
		if _, err := c.Request(t.Context(), target, question(t)); !errors.Is(err, ErrNoPath) {
			t.Errorf("while cut off: %v, want ErrNoPath", err)
		}
	}
	closeClient(t, c)
	c = open(t, config)
	everywhere(net, nil)
	ask(t, c, target)
	if later := currentGuards(t, c); !maps.Equal(later, guards) {
		t.Errorf("guards have changed from %v to %v", guards, later)
	}
}

func everywhere(net *fakenet.Network, do func(http.ResponseWriter, *http.Request) bool) {
	for _, node := range net.Nodes {
		node.Intercept(do)
	}
}

// A guard is who holds the key that the seeds list, not who answers at the address; and one that cannot serve is none.
func TestWhoIsNoGuard(t *testing.T) {
	for name, spoil := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"not ready": func(w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, "Service node is not ready: not in any swarm; ", http.StatusServiceUnavailable)
			return true
		},
		"without the key": func(w http.ResponseWriter, _ *http.Request) bool {
			w.Write([]byte("bm90IHRoZSBhbnN3ZXIgb2YgYW55Ym9keSB3aG8gaGFzIHRoZSBrZXk="))
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			net := startFakenet(t, 6)
			for _, node := range net.Nodes[4:] {
				node.Intercept(spoil)
			}
			c := clientOf(t, net)
			for range 10 {
				for guard := range currentGuards(t, c) {
					if node, _ := c.Node(guard); slices.Contains(net.Nodes[4:], fakeNode(t, net, node)) {
						t.Errorf("%s is a guard", node.Ed25519)
					}
				}
				c.mu.Lock()
				c.state.Guards = nil
				clear(c.state.Failed)
				c.mu.Unlock()
			}
		})
	}
}

// Choosing guards does not identify the client to a node.
func TestGuardsAreAskedAboutNobody(t *testing.T) {
	net := startFakenet(t, 4)
	c := clientOf(t, net)
	currentGuards(t, c)
	seen := make(map[string]bool)
	for _, node := range net.Nodes {
		for _, call := range node.Calls("get_snodes_for_pubkey") {
			seen[call.Params["pubKey"]] = true
		}
	}
	if len(seen) < guardsWanted {
		t.Errorf("%d guards were asked about %d Session IDs", guardsWanted, len(seen))
	}
}

// A node list without reachable nodes is old.
func TestListWithoutAnyNodeLeft(t *testing.T) {
	old, fresh := startFakenet(t, 6), fakenet.Start(t, 6)
	config := configOf(t, old.SeedURL())
	c := open(t, config)
	guards := currentGuards(t, c)
	closeClient(t, c)
	for _, node := range old.Nodes {
		node.Stop()
	}
	old.List(fresh.Nodes...)
	c = open(t, config)
	if _, err := c.LookupSwarm(t.Context(), someone(t)); err != nil {
		t.Error(err)
	}
	later := currentGuards(t, c)
	if len(later) != guardsWanted {
		t.Errorf("%d guards, want %d", len(later), guardsWanted)
	}
	for guard := range later {
		if guards[guard] {
			t.Errorf("%s is a guard though it is gone", guard)
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	net := startFakenet(t, 6)
	for _, node := range net.Nodes[1:] {
		node.Stop()
	}
	c := clientOf(t, net)
	target := nodeOf(t, c, net.Nodes[0])
	for _, who := range []string{"nobody but the target", "nobody at all"} {
		if _, err := c.Request(t.Context(), target, question(t)); !errors.Is(err, ErrNoPath) {
			t.Errorf("%s answers: %v, want ErrNoPath", who, err)
		}
		net.Nodes[0].Stop()
	}
	if asked := net.SeedRequests(); asked != 1 {
		t.Errorf("the seed was asked %d times", asked)
	}
}
