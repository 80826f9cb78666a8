package network

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/storage"
)

// lookups counts how often any node was asked for the swarm of id.
func lookups(net *fakenet.Network, id fmt.Stringer) (n int) {
	for _, node := range net.Nodes {
		for _, call := range node.Calls(storage.MethodSwarm) {
			if call.Params["pubKey"] == id.String() {
				n++
			}
		}
	}
	return n
}

// tell makes the seed and all nodes name these as the only swarm.
func tell(net *fakenet.Network, swarm ...*fakenet.Node) {
	net.OneSwarm(swarm...)
	for _, node := range net.Nodes {
		node.Answer(func(call fakenet.Call) (int, string) {
			if call.Method != storage.MethodSwarm {
				return 0, ""
			}
			return storage.StatusOK, fakenet.Swarm(swarm...)
		})
	}
}

func wantMembers(t *testing.T, what string, members []Node, want ...*fakenet.Node) {
	t.Helper()
	keys := keysOf(members)
	if len(members) != len(want) || len(keys) != len(want) {
		t.Errorf("%s: %d members, want %d", what, len(members), len(want))
	}
	for _, node := range want {
		if !keys[node.Key()] {
			t.Errorf("%s: member %s is missing", what, node.Name())
		}
	}
}

func TestSwarmIsCached(t *testing.T) {
	net, clock := startFakenet(t, 8), newClock()
	tell(net, net.Nodes[:4]...)
	config := configOf(t, net.SeedURL())
	config.Now = clock.Now
	c := open(t, config)
	bob := someone(t)
	steps := []struct {
		name  string
		do    func()
		asked int
	}{
		{"first", func() {}, 1},
		{"again", func() {}, 1},
		{"another run", func() { closeClient(t, c); c = open(t, config) }, 1},
		{"asked for", func() {
			if _, err := c.LookupSwarm(t.Context(), bob); err != nil {
				t.Error(err)
			}
		}, 2},
		{"a day later", func() { clock.pass(swarmFreshFor) }, 3},
		{"clock set back", func() { clock.pass(-time.Hour) }, 4},
		{"two members gone", func() { net.List(net.Nodes[2:]...); clock.pass(nodesUsedFor) }, 5},
		{"still too few", func() {}, 6},
	}
	for i, step := range steps {
		step.do()
		members, err := c.Swarm(t.Context(), bob)
		if err != nil {
			t.Fatal(err)
		}
		want := net.Nodes[:4]
		if i >= len(steps)-2 {
			want = net.Nodes[2:4]
		}
		wantMembers(t, step.name, members, want...)
		if got := lookups(net, bob); got != step.asked {
			t.Errorf("%s: the network was asked %d times, want %d", step.name, got, step.asked)
		}
	}
}

// Only seeds can introduce nodes.
func TestUnregisteredMembersAreNotBelieved(t *testing.T) {
	net := startFakenet(t, 8)
	tell(net, net.Nodes...)
	net.List(net.Nodes[:5]...)
	c := clientOf(t, net)
	members, err := c.LookupSwarm(t.Context(), someone(t))
	if err != nil {
		t.Fatal(err)
	}
	wantMembers(t, "of 8 that were told", members, net.Nodes[:5]...)

	tell(net, net.Nodes[5:]...)
	if members, err := c.LookupSwarm(t.Context(), someone(t)); !errors.Is(err, ErrNoSwarm) {
		t.Errorf("none of the told is registered: %v, %v; want ErrNoSwarm", members, err)
	}
}

// Where a node names others, the registry is looked at again: they may be new.
func TestNewMembersAreLookedUp(t *testing.T) {
	net, clock := startFakenet(t, 8), newClock()
	net.List(net.Nodes[:5]...)
	config := configOf(t, net.SeedURL())
	config.Now = clock.Now
	c := open(t, config)
	if _, err := c.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	net.List(net.Nodes...)
	net.OneSwarm(net.Nodes[3:]...)
	clock.pass(askAgainAfter)
	members, err := c.AdoptSwarm(t.Context(), someone(t), fakenet.Swarm(net.Nodes[3:]...))
	if err != nil {
		t.Fatal(err)
	}
	wantMembers(t, "three are new", members, net.Nodes[3:]...)
}

// A swarm of which some members are known is good enough if the registry cannot be looked at.
func TestNewMembersWhileSeedsAreSilent(t *testing.T) {
	net, clock := startFakenet(t, 8), newClock()
	net.List(net.Nodes[:5]...)
	net.OneSwarm(net.Nodes[3:]...)
	config := configOf(t, net.SeedURL())
	config.Now = clock.Now
	c := open(t, config)
	if _, err := c.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	net.StopSeed()
	clock.pass(askAgainAfter)
	members, err := c.AdoptSwarm(t.Context(), someone(t), fakenet.Swarm(net.Nodes[3:]...))
	if err != nil {
		t.Fatal(err)
	}
	wantMembers(t, "three are not known", members, net.Nodes[3:5]...)
	clock.pass(askAgainAfter)
	if _, err := c.AdoptSwarm(t.Context(), someone(t), fakenet.Swarm(net.Nodes[5:]...)); !errors.Is(err, ErrNoSeed) {
		t.Errorf("none is known: %v, want ErrNoSeed", err)
	}
}

// After a 421 the swarm of the seeds' new list is the one that counts from then on, in other runs too.
func TestAdoptSwarm(t *testing.T) {
	net := startFakenet(t, 8)
	config := configOf(t, net.SeedURL())
	c := open(t, config)
	bob := someone(t)
	if _, err := c.Swarm(t.Context(), bob); err != nil {
		t.Fatal(err)
	}
	net.OneSwarm(net.Nodes[2:5]...)
	adopted, err := c.AdoptSwarm(t.Context(), bob, fakenet.Swarm(append(net.Nodes[2:5:5], net.Nodes[2])...))
	if err != nil {
		t.Fatal(err)
	}
	wantMembers(t, "adopted", adopted, net.Nodes[2:5]...)
	closeClient(t, c)
	members, err := open(t, config).Swarm(t.Context(), bob)
	if err != nil {
		t.Fatal(err)
	}
	wantMembers(t, "remembered", members, net.Nodes[2:5]...)
	for _, body := range []string{"", "{}", `{"snodes":[]}`, `{"snodes":[{"pubkey_ed25519":"x"}]}`} {
		if members, err := c.AdoptSwarm(t.Context(), bob, body); err == nil {
			t.Errorf("%q was adopted as %v", body, members)
		}
	}
}

// A node that fails, refuses or talks nonsense does not keep a client from finding the swarm.
func TestSwarmLookupGoesOn(t *testing.T) {
	net := startFakenet(t, 9)
	net.Nodes[0].Stop()
	net.Nodes[1].Answer(func(fakenet.Call) (int, string) { return 500, "internal error" })
	net.Nodes[2].Answer(func(fakenet.Call) (int, string) { return 200, "<html>" })
	c := clientOf(t, net)
	for range 20 {
		if _, err := c.LookupSwarm(t.Context(), someone(t)); err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range net.Nodes[1:] {
		node.Answer(func(fakenet.Call) (int, string) { return 500, "internal error" })
	}
	if _, err := c.LookupSwarm(t.Context(), someone(t)); !errors.Is(err, ErrNoSwarm) {
		t.Errorf("all refuse: %v, want ErrNoSwarm", err)
	}
}

// Whatever a node says about a swarm, the cache does not grow beyond reason.
func TestAdoptedSwarmIsBounded(t *testing.T) {
	net := startFakenet(t, 4)
	net.OneSwarm(net.Nodes[0])
	c := clientOf(t, net)
	nodeOf(t, c, net.Nodes[0])
	many := slices.Repeat([]*fakenet.Node{net.Nodes[0]}, storage.MaxMembers)
	members, err := c.AdoptSwarm(t.Context(), someone(t), fakenet.Swarm(append(many, net.Nodes[1])...))
	if err != nil {
		t.Fatal(err)
	}
	wantMembers(t, "behind the bound", members, net.Nodes[0])
}
