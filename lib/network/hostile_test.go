package network

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"strconv"
	"testing"

	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/swarm"
)

// lie makes nodes name these as the swarm of every Session ID.
func lie(liars []*fakenet.Node, named ...*fakenet.Node) {
	for _, node := range liars {
		node.Answer(func(call fakenet.Call) (int, string) {
			if call.Method != storage.MethodSwarm {
				return 0, ""
			}
			return storage.StatusOK, fakenet.Swarm(named...)
		})
	}
}

// A node cannot put its own in the place of a swarm: the ring of the seeds' list decides, for an answer, for a 421 and
// for what an earlier run was made to believe.
func TestHostileMapping(t *testing.T) {
	net := startFakenet(t, 12)
	honest, hostile := net.Nodes[:4], net.Nodes[8:]
	net.OneSwarm(honest...)
	lie(net.Nodes, hostile...)
	config := configOf(t, net.SeedURL())
	c := open(t, config)
	bob := someone(t)
	members, err := c.LookupSwarm(t.Context(), bob)
	if err != nil {
		t.Fatal(err)
	}
	wantMembers(t, "an answer names others", members, honest...)
	lie(net.Nodes, honest[0])
	if members, err = c.LookupSwarm(t.Context(), bob); err != nil {
		t.Fatal(err)
	}
	wantMembers(t, "an answer leaves members out", members, honest...)
	if members, err = c.AdoptSwarm(t.Context(), bob, fakenet.Swarm(hostile...)); err != nil {
		t.Fatal(err)
	}
	wantMembers(t, "a 421 names others", members, honest...)
	if members, err = c.Swarm(t.Context(), bob); err != nil {
		t.Fatal(err)
	}
	wantMembers(t, "in the cache", members, honest...)
	for _, node := range hostile {
		if _, ok := c.Member(bob, node.Key()); ok {
			t.Errorf("%s is a member", node.Name())
		}
	}
	closeClient(t, c)

	data, err := os.ReadFile(config.StateFile)
	if err != nil {
		t.Fatal(err)
	}
	var captured state
	if err := json.Unmarshal(data, &captured); err != nil {
		t.Fatal(err)
	}
	entry := captured.Swarms[swarmName(bob)]
	entry.Members = nil
	for _, node := range hostile {
		entry.Members = append(entry.Members, node.Key())
	}
	captured.Swarms[swarmName(bob)] = entry
	if data, err = json.Marshal(captured); err == nil {
		err = os.WriteFile(config.StateFile, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if members, err = open(t, config).Swarm(t.Context(), bob); err != nil {
		t.Fatal(err)
	}
	wantMembers(t, "captured by an earlier run", members, honest...)
}

// Seeds that give no swarm IDs leave a node's word to be compared with that of two others.
func TestHostileMappingWithoutRing(t *testing.T) {
	net := startFakenet(t, 9)
	net.Swarms(func(*fakenet.Node) swarm.SwarmID { return swarm.NoSwarm })
	honest, hostile := net.Nodes[:4], net.Nodes[8:]
	lie(net.Nodes, honest...)
	lie(hostile, hostile...)
	c := clientOf(t, net)
	for range 30 {
		bob := someone(t)
		members, err := c.LookupSwarm(t.Context(), bob)
		if err != nil {
			t.Fatal(err)
		}
		wantMembers(t, "one of three lies", members, honest...)
		if members, err = c.AdoptSwarm(t.Context(), bob, fakenet.Swarm(hostile...)); err != nil {
			t.Fatal(err)
		}
		wantMembers(t, "a 421 lies", members, honest...)
	}
	lie(net.Nodes[:2], net.Nodes[:2]...)
	lie(net.Nodes[2:], net.Nodes[2:4]...)
	for i, node := range net.Nodes {
		lie([]*fakenet.Node{node}, net.Nodes[i])
	}
	if members, err := c.LookupSwarm(t.Context(), someone(t)); !errors.Is(err, ErrNoSwarm) {
		t.Errorf("no two agree: %v, %v; want ErrNoSwarm", members, err)
	}
}

// A 421 after which the seeds' list has changed is right.
func TestSwarmHasMoved(t *testing.T) {
	net := startFakenet(t, 12)
	net.OneSwarm(net.Nodes[:4]...)
	c := clientOf(t, net)
	bob := someone(t)
	for _, members := range [][]*fakenet.Node{net.Nodes[4:8], net.Nodes[2:5], net.Nodes[:4]} {
		net.OneSwarm(members...)
		got, err := c.AdoptSwarm(t.Context(), bob, fakenet.Swarm(members...))
		if err != nil {
			t.Fatal(err)
		}
		wantMembers(t, "moved", got, members...)
	}
	before := net.SeedRequests()
	for range 20 {
		if _, err := c.AdoptSwarm(t.Context(), bob, fakenet.Swarm(net.Nodes[8:]...)); err != nil {
			t.Fatal(err)
		}
	}
	if asked := net.SeedRequests() - before; asked > maxDoubts {
		t.Errorf("20 lies made the client ask the seed %d times", asked)
	}
}

// One seed of three can neither add a node, nor leave one out, nor move one to another swarm.
func TestHostileSeed(t *testing.T) {
	net, hostile := startFakenet(t, 8), fakenet.Start(t, 8)
	for name, lies := range map[string]string{
		"other nodes":   hostile.SeedURL(),
		"one node left": serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(fakenet.SeedAnswer(fakenet.SeedEntry(nil))) }),
	} {
		t.Run(name, func(t *testing.T) {
			for range 10 {
				c := open(t, configOf(t, net.SeedURL(), net.SeedURL()+"?second", lies))
				nodes, err := c.Nodes(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				wantMembers(t, "two of three", nodes, net.Nodes...)
			}
			for _, seeds := range [][]string{
				{net.SeedURL(), lies}, {net.SeedURL(), lies, "http://127.0.0.1:1"}, {lies, "http://127.0.0.1:1"},
			} {
				if nodes, err := open(t, configOf(t, seeds...)).Nodes(t.Context()); !errors.Is(err, ErrNoSeed) {
					t.Errorf("%d seeds, no two agree: %d nodes, %v; want ErrNoSeed", len(seeds), len(nodes), err)
				}
			}
		})
	}
}

// A seed that puts its own nodes into every swarm changes no swarm.
func TestSeedMovesSwarms(t *testing.T) {
	net := startFakenet(t, 8)
	honest := net.Nodes[:4]
	net.OneSwarm(honest...)
	lies := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		var states []string
		for i, node := range net.Nodes {
			states = append(states, fakenet.SeedEntry(map[string]string{
				"pubkey_ed25519": strconv.Quote(node.Name()), "swarm_id": strconv.Itoa(i / 6),
			}))
		}
		w.Write(fakenet.SeedAnswer(states...))
	})
	for range 10 {
		c := open(t, configOf(t, net.SeedURL(), net.SeedURL()+"?second", lies))
		members, err := c.LookupSwarm(t.Context(), someone(t))
		if err != nil {
			t.Fatal(err)
		}
		wantMembers(t, "two of three", members, honest...)
	}
}

// A guard that drops requests selectively gets no other node blamed, and is left out itself.
func TestHostileGuard(t *testing.T) {
	for name, drops := range map[string]func(size, deepest int64) bool{
		"drops requests and passes probes": func(size, deepest int64) bool { return size == deepest },
		"drops all but its own":            func(size, deepest int64) bool { return size > deepest-900 },
	} {
		t.Run(name, func(t *testing.T) {
			net := startFakenet(t, 12)
			c := clientOf(t, net)
			path, err := c.Path(t.Context(), net.Nodes[0].Key())
			if err != nil {
				t.Fatal(err)
			}
			guard := fakeNode(t, net, path[0])
			deepest := requestSize(t, c)
			guard.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
				if !drops(r.ContentLength, deepest) {
					return false
				}
				return respond(504, onion.TextTimeout)(w, r)
			})
			for range 5 {
				for _, node := range net.Nodes {
					if node != guard {
						ask(t, c, nodeOf(t, c, node))
					}
				}
			}
			c.work.Wait()
			for _, node := range net.Nodes {
				if node != guard && hasFailed(c, node.Key()) {
					t.Errorf("honest node %s is blamed", node.Name())
				}
			}
			if !hasFailed(c, guard.Key()) {
				t.Error("the guard is not suspected")
			}
		})
	}
}

// requestSize returns the size of a request that travels over a whole path.
func requestSize(t *testing.T, c *Client) int64 {
	t.Helper()
	nodes, err := c.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var hops []onion.Hop
	for _, node := range nodes[:Hops] {
		hops = append(hops, c.hop(node))
	}
	request, err := onion.Wrap(c.random, c.version, hops, c.hop(nodes[Hops]), onion.Pad(nil))
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(request.Body))
}

// Who can block a client's guards does not make it try node after node: few are ever kept, in their order, and older
// ones are returned to.
func TestGuardsAreReturnedTo(t *testing.T) {
	net, clock := startFakenet(t, 30), newClock()
	config := configOf(t, net.SeedURL())
	config.Now = clock.Now
	c := open(t, config)
	first := currentGuards(t, c)
	ever := maps.Clone(first)
	blocked := errors.New("blocked")
	for range 20 {
		guards, err := c.guards(t.Context())
		if errors.Is(err, ErrNoPath) {
			break
		}
		for _, guard := range guards {
			ever[guard.Ed25519] = true
			fakeNode(t, net, guard).Intercept(respond(503, ""))
			c.markFailed(guard, blocked)
		}
	}
	if most := maxGuards(len(net.Nodes)); len(ever) > most {
		t.Errorf("%d nodes were guards, at most %d may be", len(ever), most)
	}
	everywhere(net, nil)
	closeClient(t, c)
	clock.pass(failedFor)
	if later := currentGuards(t, open(t, config)); !maps.Equal(later, first) {
		t.Errorf("the guards are %v, not the first ones %v", later, first)
	}
}

// No two hops of a path share a subnet, unless the network has no other nodes or is private.
func TestSubnets(t *testing.T) {
	guard := Node{IP: "192.0.2.1"}
	for _, test := range []struct {
		name   string
		nodes  []string
		second string
	}{
		{"same /24", []string{"192.0.2.9", "198.51.100.1", "198.51.100.2", "203.0.113.7"}, "198.51.100.1 203.0.113.7"},
		{"same /48", []string{"2001:db8::1", "2001:db8:0:1::1", "2001:db8:1::1"}, "2001:db8::1 2001:db8:1::1"},
		{"mapped", []string{"::ffff:192.0.2.7", "203.0.113.7", "198.51.100.1"}, "203.0.113.7 198.51.100.1"},
		{"no others", []string{"192.0.2.9", "192.0.2.10"}, "192.0.2.9 192.0.2.10"},
		{"loopback", []string{"127.0.0.1", "127.0.0.1"}, "127.0.0.1 127.0.0.1"},
		{"private", []string{"10.0.0.1", "10.0.0.2"}, "10.0.0.1 10.0.0.2"},
	} {
		var nodes []Node
		for _, ip := range test.nodes {
			nodes = append(nodes, Node{IP: ip})
		}
		got := apart(guard, nodes)
		if text := got[0].IP + " " + got[1].IP; text != test.second || len(got) != len(nodes) {
			t.Errorf("%s: relays are %s, want %s", test.name, text, test.second)
		}
	}
}
