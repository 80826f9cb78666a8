package network

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// Hops is the number of nodes in front of the target: a guard and two relays.
const Hops = 3

// manyNodes is the size of a network from which on failures of a third of the nodes are not trusted.
const manyNodes = 20

// Path returns the hops to target, guard first: never target itself, and none of the nodes in avoid unless the network
// is too small for that. Guards stay the same from run to run. Relays are drawn anew for each path, since a command
// runs briefly and a relay sees neither end. The error wraps [ErrTooFewNodes], [ErrNoPath] or [ErrNoSeed], or is the
// context's.
func (c *Client) Path(ctx context.Context, target Key, avoid ...Key) ([]Node, error) {
	if _, err := c.others(ctx, target); err != nil {
		return nil, err
	}
	guards, err := c.guards(ctx)
	if err != nil {
		return nil, err
	}
	guard, err := c.pickGuard(guards, target, avoid)
	if err != nil {
		return nil, err
	}
	others, err := c.others(ctx, target) // again, since choosing guards may have brought a new list
	if err != nil {
		return nil, err
	}
	return append([]Node{guard}, c.pickRelays(others, guards, guard, avoid)...), nil
}

// others returns all nodes but target in random order. They suffice for a path.
func (c *Client) others(ctx context.Context, target Key) ([]Node, error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	others := without(c.Shuffle(nodes), target)
	if len(others) < Hops {
		return nil, fmt.Errorf("%w: %d hops and a target need %d nodes", ErrTooFewNodes, Hops, Hops+1)
	}
	return others, nil
}

func without(nodes []Node, key Key) []Node {
	return slices.DeleteFunc(nodes, func(n Node) bool { return n.Ed25519 == key })
}

// pickGuard prefers the guards that are least often in avoid: those that no other path uses, then those over which the
// same request has not gone before.
func (c *Client) pickGuard(guards []Node, target Key, avoid []Key) (Node, error) {
	guards = without(c.Shuffle(guards), target)
	if len(guards) == 0 {
		return Node{}, fmt.Errorf("%w: no service node but the target answers", ErrNoPath)
	}
	uses := make(map[Key]int, len(avoid))
	for _, key := range avoid {
		uses[key]++
	}
	return slices.MinFunc(guards, func(a, b Node) int { return cmp.Compare(uses[a.Ed25519], uses[b.Ed25519]) }), nil
}

// pickRelays takes the relays behind guard from nodes in random order. It prefers nodes that no other path uses, then
// any but the guards, then any, and finally those that failed lately.
func (c *Client) pickRelays(nodes, guards []Node, guard Node, avoid []Key) []Node {
	rank := make(map[Key]int, len(nodes))
	for _, key := range avoid {
		rank[key] = 1
	}
	for _, node := range guards {
		rank[node.Ed25519] = 2
	}
	c.mu.Lock()
	now := c.now()
	failed := slices.DeleteFunc(slices.Collect(maps.Keys(c.state.Failed)),
		func(key Key) bool { return !c.state.failed(key, now) })
	if len(nodes) < manyNodes || 3*len(failed) < len(nodes) { // otherwise the failures are more likely forged than real
		for _, key := range failed {
			rank[key] = 3
		}
	}
	c.mu.Unlock()
	relays := without(nodes, guard.Ed25519)
	slices.SortStableFunc(relays, func(a, b Node) int { return cmp.Compare(rank[a.Ed25519], rank[b.Ed25519]) })
	return apart(guard, relays)[:Hops-1]
}

// apart returns nodes in their order, but first those that share a subnet neither with guard nor with an earlier one:
// the owner of a subnet must not become two hops of a path.
func apart(guard Node, nodes []Node) []Node {
	taken := map[netip.Prefix]bool{subnet(guard): true}
	var first, others []Node
	for _, node := range nodes {
		prefix := subnet(node)
		if prefix.IsValid() && taken[prefix] {
			others = append(others, node)
			continue
		}
		taken[prefix] = true
		first = append(first, node)
	}
	return append(first, others...)
}

// subnet returns the /24 of an IPv4 address or the /48 of an IPv6 address. A loopback or private address has none,
// because such a network is one machine or one site.
func subnet(node Node) netip.Prefix {
	address, err := netip.ParseAddr(node.IP)
	if address = address.Unmap(); err != nil || address.IsLoopback() || address.IsPrivate() {
		return netip.Prefix{}
	}
	bits := 24
	if address.Is6() {
		bits = 48
	}
	prefix, err := address.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
