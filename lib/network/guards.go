package network

import (
	"context"
	"fmt"
	"sync"
)

const (
	// guardsWanted and guardsEnough are the 2020 client's (client notes, section 13).
	guardsWanted = 3
	guardsEnough = 2
	// guardTests bounds how many nodes are tried for guards at a time. If none of so many answers, the trouble is
	// closer to home.
	guardTests = 12
)

// guards returns the stored guards that are still registered and have not failed, choosing new ones when fewer than
// guardsEnough are left. The caller has seen to it that there is a node list.
func (c *Client) guards(ctx context.Context) ([]Node, error) {
	c.guardsMu.Lock()
	defer c.guardsMu.Unlock()
	guards, failed := c.storedGuards()
	if len(guards) >= guardsEnough {
		return guards, nil
	}
	guards, err := c.chooseGuards(ctx, guards, failed)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, len(guards))
	for i, guard := range guards {
		keys[i] = guard.Ed25519
	}
	c.mu.Lock()
	c.state.Guards = keys
	c.mu.Unlock()
	c.save()
	return guards, nil
}

// storedGuards returns the guards that are registered, those that failed lately apart from the others.
func (c *Client) storedGuards() (guards, failed []Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for _, key := range c.state.Guards {
		i, ok := c.index[key]
		switch {
		case !ok:
		case c.state.failed(key, now):
			failed = append(failed, c.state.Nodes[i])
		default:
			guards = append(guards, c.state.Nodes[i])
		}
	}
	return guards, failed
}

// chooseGuards fills up guards. Those of former runs that failed are tried again before any other: who could cut us
// off from the network for a moment must not make us change them. If nobody answers, the node list may be old: it is
// fetched again.
func (c *Client) chooseGuards(ctx context.Context, guards, failed []Node) ([]Node, error) {
	nodes, _ := c.known()
	found := c.testGuards(ctx, guards, append(failed, c.Shuffle(nodes)...))
	if len(found) == 0 && ctx.Err() == nil && !c.askedLately() {
		if err := c.Refresh(ctx); err != nil {
			return nil, err
		}
		nodes, _ = c.known()
		found = c.testGuards(ctx, nil, c.Shuffle(nodes))
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(found) == 0:
		return nil, fmt.Errorf("%w: no service node answers", ErrNoPath)
	}
	return found, nil
}

// testGuards fills up guards with the first candidates that answer, testing as many at a time as are still wanted.
func (c *Client) testGuards(ctx context.Context, guards, candidates []Node) []Node {
	tried := make(map[Key]bool)
	for _, guard := range guards {
		tried[guard.Ed25519] = true
	}
	var untried []Node
	for _, node := range candidates {
		if !tried[node.Ed25519] {
			tried[node.Ed25519] = true
			untried = append(untried, node)
		}
	}
	untried = untried[:min(len(untried), guardTests)]
	for len(guards) < guardsWanted && len(untried) > 0 && ctx.Err() == nil {
		n := min(guardsWanted-len(guards), len(untried))
		good := make([]bool, n)
		var wait sync.WaitGroup
		for i, node := range untried[:n] {
			wait.Go(func() { good[i] = c.testGuard(ctx, node) })
		}
		wait.Wait()
		for i, ok := range good {
			if ok {
				guards = append(guards, untried[i])
			}
		}
		untried = untried[n:]
	}
	return guards
}

// testGuard asks a node something through an onion of one layer, which only the holder of its registered key can
// answer. That tells it nothing but that a client exists.
func (c *Client) testGuard(ctx context.Context, node Node) bool {
	err := c.probe(ctx, nil, node)
	switch {
	case err == nil:
		c.markGood(node)
	case ctx.Err() == nil:
		c.markFailed(node, err)
	}
	return err == nil
}
