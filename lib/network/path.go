package network

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"sessiontool/lib/rpc"
)

const (
	// Hops is the number of nodes in front of the target: a guard and two relays.
	Hops = 3
	// guardsWanted and guardsEnough are the 2020 client's (client notes, section 13).
	guardsWanted = 3
	guardsEnough = 2
)

// Path returns the hops of a way to target, guard first: never target itself, and none of the nodes in avoid unless
// the network is too small for that. Guards stay the same from run to run; the relays are drawn anew for each
// request, since a command lives for a moment and a relay sees neither end.
func (c *Client) Path(ctx context.Context, target Key, avoid ...Key) ([]Node, error) {
	guards, err := c.guards(ctx)
	if err != nil {
		return nil, err
	}
	shun := make(map[Key]bool, len(avoid))
	for _, key := range avoid {
		shun[key] = true
	}
	guard, err := c.pickGuard(ctx, guards, target, shun)
	if err != nil {
		return nil, err
	}
	relays, err := c.pickRelays(guards, guard, target, shun)
	if err != nil {
		return nil, err
	}
	return append([]Node{guard}, relays...), nil
}

// pickGuard prefers a guard that no request under way uses. If target is the only guard left, one more is chosen.
func (c *Client) pickGuard(ctx context.Context, guards []Node, target Key, shun map[Key]bool) (Node, error) {
	var second *Node
	for _, guard := range c.Shuffle(guards) {
		switch {
		case guard.Ed25519 == target:
		case shun[guard.Ed25519]:
			second = &guard
		default:
			return guard, nil
		}
	}
	if second != nil {
		return *second, nil
	}
	for _, node := range c.Shuffle(c.good()) {
		if node.Ed25519 != target && c.testGuard(ctx, node) == nil {
			return node, nil
		}
	}
	return Node{}, fmt.Errorf("%w: no guard but the target answers", ErrTooFewNodes)
}

// pickRelays draws the relays behind guard. First choice are nodes that no other path uses, then any but the guards,
// then any.
func (c *Client) pickRelays(guards []Node, guard Node, target Key, shun map[Key]bool) ([]Node, error) {
	isGuard := make(map[Key]bool, len(guards))
	for _, node := range guards {
		isGuard[node.Ed25519] = true
	}
	var best, fair, poor []Node
	for _, node := range c.Shuffle(c.good()) {
		key := node.Ed25519
		switch {
		case key == target || key == guard.Ed25519:
		case isGuard[key]:
			poor = append(poor, node)
		case shun[key]:
			fair = append(fair, node)
		default:
			best = append(best, node)
		}
	}
	relays := append(append(best, fair...), poor...)
	if len(relays) < Hops-1 {
		return nil, fmt.Errorf("%w: %d hops and a target need %d nodes that answer", ErrTooFewNodes, Hops, Hops+1)
	}
	return relays[:Hops-1], nil
}

// good returns the registered nodes that have not failed lately, or all of them if too few are left.
func (c *Client) good() []Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	var good []Node
	for _, node := range c.state.Nodes {
		if until, bad := c.state.Bad[node.Ed25519]; !bad || now.After(until) {
			good = append(good, node)
		}
	}
	if len(good) < Hops+1 {
		return c.state.Nodes
	}
	return good
}

// guards returns the stored guards that are still registered and have not failed, choosing new ones when fewer than
// guardsEnough are left.
func (c *Client) guards(ctx context.Context) ([]Node, error) {
	if _, err := c.Nodes(ctx); err != nil {
		return nil, err
	}
	c.guardsMu.Lock()
	defer c.guardsMu.Unlock()
	guards := c.storedGuards()
	if len(guards) >= guardsEnough {
		return guards, nil
	}
	guards, err := c.chooseGuards(ctx, guards)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.state.Guards = c.state.Guards[:0]
	for _, guard := range guards {
		c.state.Guards = append(c.state.Guards, guard.Ed25519)
	}
	c.mu.Unlock()
	return guards, c.save()
}

func (c *Client) storedGuards() []Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	var guards []Node
	for _, key := range c.state.Guards {
		until, bad := c.state.Bad[key]
		if i, ok := c.index[key]; ok && (!bad || c.now().After(until)) {
			guards = append(guards, c.state.Nodes[i])
		}
	}
	return guards
}

// chooseGuards fills up guards with random nodes that answer. If none does, the node list may be old: it is fetched
// again, once.
func (c *Client) chooseGuards(ctx context.Context, guards []Node) ([]Node, error) {
	for {
		guards = c.tryGuards(ctx, guards)
		if len(guards) > 0 {
			return guards, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		c.mu.Lock()
		synced := c.synced
		c.mu.Unlock()
		if synced {
			return nil, fmt.Errorf("%w: no service node answers", ErrNoPath)
		}
		if err := c.fetchNodes(ctx); err != nil {
			return nil, err
		}
	}
}

// tryGuards tests candidates side by side, as many at a time as are still wanted.
func (c *Client) tryGuards(ctx context.Context, guards []Node) []Node {
	have := make(map[Key]bool)
	for _, guard := range guards {
		have[guard.Ed25519] = true
	}
	candidates := slices.DeleteFunc(c.Shuffle(c.good()), func(n Node) bool { return have[n.Ed25519] })
	for len(guards) < guardsWanted && len(candidates) > 0 && ctx.Err() == nil {
		n := min(guardsWanted-len(guards), len(candidates))
		results := make([]error, n)
		var wait sync.WaitGroup
		for i, node := range candidates[:n] {
			wait.Go(func() { results[i] = c.testGuard(ctx, node) })
		}
		wait.Wait()
		for i, err := range results {
			if err == nil {
				guards = append(guards, candidates[i])
			}
		}
		candidates = candidates[n:]
	}
	return guards
}

// testGuard asks a node for its version, directly: that tells it nothing but that a client exists.
func (c *Client) testGuard(ctx context.Context, node Node) error {
	ctx, cancel := context.WithTimeout(ctx, guardTimeout)
	defer cancel()
	answer, err := c.http.GetNode(ctx, node.IP, node.Port, rpc.StatsPath)
	if err == nil && answer.Status != rpc.StatusOK {
		err = fmt.Errorf("status %d", answer.Status)
	}
	if err != nil {
		c.markBad(node, err)
	}
	return err
}
