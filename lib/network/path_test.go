package network

import (
	"errors"
	"fmt"
	"testing"

	"sessiontool/lib/internal/fakenet"
)

// The one thing that a path must never do; the 2020 client did it in 69 of 180 draws (signal-2020.md section 13).
func TestTargetIsNeverInItsPath(t *testing.T) {
	for _, n := range []int{4, 5, 12} {
		t.Run(fmt.Sprint(n, " nodes"), func(t *testing.T) {
			net := startFakenet(t, n)
			c := clientOf(t, net)
			for i := range 40 * n {
				target := nodeOf(t, c, net.Nodes[i%n])
				var avoid []Key
				for _, node := range net.Nodes[:i%3*n/3] {
					avoid = append(avoid, node.Key())
				}
				path, err := c.Path(t.Context(), target.Ed25519, avoid...)
				if err != nil {
					t.Fatal(err)
				}
				keys := keysOf(path)
				if len(path) != Hops || len(keys) != Hops || keys[target.Ed25519] {
					t.Fatalf("path %v to %s", path, target.Ed25519)
				}
			}
		})
	}
}

// Without a target a path is drawn among all nodes.
func TestPathToNowhere(t *testing.T) {
	c := clientOf(t, startFakenet(t, 4))
	used := make(map[Key]bool)
	for range 100 {
		path, err := c.Path(t.Context(), Key{})
		if err != nil {
			t.Fatal(err)
		}
		for _, hop := range path {
			used[hop.Ed25519] = true
		}
	}
	if len(used) != 4 {
		t.Errorf("%d of 4 nodes were ever used", len(used))
	}
}

func TestTooFewNodes(t *testing.T) {
	for n := 1; n <= Hops; n++ {
		t.Run(fmt.Sprint(n, " nodes"), func(t *testing.T) {
			net := startFakenet(t, n)
			c := clientOf(t, net)
			target := nodeOf(t, c, net.Nodes[0])
			if _, err := c.Request(t.Context(), target, question(t)); !errors.Is(err, ErrTooFewNodes) {
				t.Errorf("got %v, want ErrTooFewNodes", err)
			}
			if _, err := c.LookupSwarm(t.Context(), someone(t)); !errors.Is(err, ErrTooFewNodes) {
				t.Errorf("got %v, want ErrTooFewNodes", err)
			}
		})
	}
}

// Relays are drawn among all nodes but the guards, and anew for each path.
func TestRelaysAreDrawn(t *testing.T) {
	net := startFakenet(t, 10)
	c := clientOf(t, net)
	guards := currentGuards(t, c)
	relays := make(map[Key]int)
	for range 300 {
		path, err := c.Path(t.Context(), net.Nodes[0].Key())
		if err != nil {
			t.Fatal(err)
		}
		if !guards[path[0].Ed25519] {
			t.Fatalf("%s comes first and is no guard", path[0].Ed25519)
		}
		for _, relay := range path[1:] {
			relays[relay.Ed25519]++
		}
	}
	for _, node := range net.Nodes[1:] {
		key := Key(node.Key())
		// 600 places for the 6 or 7 nodes that are neither guard nor target.
		if n := relays[key]; guards[key] != (n == 0) || n > 200 {
			t.Errorf("%s (guard: %t) was a relay %d times", key, guards[key], n)
		}
	}
}

// Three requests at once share no hop if there are enough nodes.
func TestPathsOfAGroupAreDisjoint(t *testing.T) {
	net := startFakenet(t, 13)
	c := clientOf(t, net)
	guards := currentGuards(t, c)
	var targets []*fakenet.Node
	for _, node := range net.Nodes {
		if !guards[node.Key()] && len(targets) < SwarmTargets {
			targets = append(targets, node)
		}
	}
	for range 30 {
		group, used := c.Group(), make(map[Key]bool)
		for _, target := range targets {
			path, err := group.path(t.Context(), target.Key())
			if err != nil {
				t.Fatal(err)
			}
			for _, hop := range path {
				if used[hop.Ed25519] {
					t.Fatalf("%s is in two paths", hop.Ed25519)
				}
				used[hop.Ed25519] = true
			}
		}
	}
}

// In a network that is too small for that, paths share hops rather than to fail.
func TestGroupInASmallNetwork(t *testing.T) {
	net := startFakenet(t, 4)
	c := clientOf(t, net)
	group := c.Group()
	for _, node := range net.Nodes {
		target := nodeOf(t, c, node)
		answer, err := group.Request(t.Context(), target, question(t))
		if err != nil || len(answer.Path) != Hops || keysOf(answer.Path)[target.Ed25519] {
			t.Errorf("to %s: path %v, %v", target.Ed25519, answer.Path, err)
		}
	}
}

// A node that is asked several things in one group is asked on one way.
func TestGroupKeepsToItsPath(t *testing.T) {
	net := startFakenet(t, 12)
	c := clientOf(t, net)
	group, target := c.Group(), nodeOf(t, c, net.Nodes[0])
	used := make(map[Key]bool)
	for range 5 {
		answer, err := group.Request(t.Context(), target, question(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, hop := range answer.Path {
			used[hop.Ed25519] = true
		}
	}
	if len(used) != Hops {
		t.Errorf("%d hops saw the requests, want %d", len(used), Hops)
	}
}
