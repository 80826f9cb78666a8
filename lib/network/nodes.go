package network

import (
	"context"
	"errors"
	"slices"
	"time"

	"sessiontool/lib/network/listing"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage/storagehttp"
	"sessiontool/lib/x25519"
)

// Key is a node's Ed25519 public key, its name in onion layers.
type Key = listing.Key

// Node is a registered service node.
type Node = listing.Node

// hop returns the node in the form of onion layers.
func (c *Client) hop(n Node) onion.Hop {
	return onion.Hop{Ed25519: n.Ed25519, X25519: x25519.PublicKey(n.X25519), Cipher: c.cipher}
}

// Nodes returns the registered nodes: from the cache while it is fresh, else from the seeds, or the kept or imported
// list if no seed answers; then the seeds are not asked again for silentSeedsFor. A list that is a little older than
// fresh is used while the seeds are asked for another one. The caller must not change the result. The error wraps
// [ErrNoSeed] or is the context's.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	if nodes, ok := c.refreshBeside(); ok {
		return nodes, nil
	}
	c.seedsMu.Lock()
	defer c.seedsMu.Unlock()
	nodes, fresh := c.known()
	if fresh {
		return nodes, nil
	}
	switch err := c.fetchOrKeep(ctx); {
	case err == nil:
		nodes, _ = c.known()
	case ctx.Err() != nil || len(nodes) == 0:
		return nil, err
	}
	return nodes, nil
}

// refreshBeside returns the list of nodes if it is older than nodesFreshFor and younger than nodesUsedFor. Once in a run
// it begins to fetch a new one.
func (c *Client) refreshBeside() ([]Node, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if len(c.state.Nodes) == 0 || within(now, c.state.FetchedAt, nodesFreshFor) ||
		!within(now, c.state.FetchedAt, nodesUsedFor) || within(now, c.state.SeedsFailedAt, silentSeedsFor) {
		return nil, false
	}
	if !c.refreshing {
		c.refreshing = true
		c.work.Go(func() {
			c.seedsMu.Lock()
			defer c.seedsMu.Unlock()
			// The next request that needs the list reports a failure.
			if err := c.fetchOrKeep(c.background); err != nil {
				c.log.Info("the list of service nodes is not renewed", "error", err)
			}
		})
	}
	return c.state.Nodes, true
}

// known returns the cached node list, and whether it is fresh.
func (c *Client) known() (nodes []Node, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	fresh = within(now, c.state.FetchedAt, nodesFreshFor) || within(now, c.askedAt, askAgainAfter) ||
		within(now, c.state.SeedsFailedAt, silentSeedsFor)
	return c.state.Nodes, fresh && len(c.state.Nodes) > 0
}

// Refresh fetches the node list from the seeds, unless this run has just done so.
func (c *Client) Refresh(ctx context.Context) error {
	c.seedsMu.Lock()
	defer c.seedsMu.Unlock()
	if c.askedLately() {
		return nil
	}
	return c.fetchOrKeep(ctx)
}

// fetchOrKeep is fetchNodes that notes and logs a failure while there is a list.
func (c *Client) fetchOrKeep(ctx context.Context) error {
	err := c.fetchNodes(ctx)
	if nodes, _ := c.known(); err != nil && ctx.Err() == nil && len(nodes) > 0 {
		if !ownFault(err) {
			c.noteSilentSeeds()
		}
		list := c.List()
		c.log.Warn("no seed answers and the list of service nodes is old", "source", list.Source, "at", list.At,
			"error", err)
	}
	return err
}

// doubt fetches the node list because a node contradicts it: at most maxDoubts times within askAgainAfter, so that a
// lying node cannot make this client a burden to the seeds.
func (c *Client) doubt(ctx context.Context) error {
	c.seedsMu.Lock()
	defer c.seedsMu.Unlock()
	now := c.now()
	c.doubts = slices.DeleteFunc(c.doubts, func(at time.Time) bool { return !within(now, at, askAgainAfter) })
	if len(c.doubts) >= maxDoubts {
		return nil
	}
	c.doubts = append(c.doubts, now)
	return c.fetchNodes(ctx)
}

func (c *Client) askedLately() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return within(c.now(), c.askedAt, askAgainAfter)
}

// setNodes stores a list from the seeds.
func (c *Client) setNodes(nodes []Node) {
	c.mu.Lock()
	c.state.Nodes, c.state.FetchedAt = nodes, c.now().UTC()
	c.state.ImportedAt, c.state.SeedsFailedAt = time.Time{}, time.Time{}
	c.reindex()
	c.mu.Unlock()
	c.save()
}

func (c *Client) reindex() {
	c.index = make(map[Key]int, len(c.state.Nodes))
	for i, node := range c.state.Nodes {
		c.index[node.Ed25519] = i
	}
}

// Node returns the registered node with this key.
func (c *Client) Node(key Key) (Node, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i, ok := c.index[key]
	if !ok {
		return Node{}, false
	}
	return c.state.Nodes[i], true
}

// markFailed makes a node a last resort for a while, unless this machine or its proxy is at fault.
func (c *Client) markFailed(node Node, why error) {
	if ownFault(why) || c.lastOwnFault() != nil {
		return
	}
	c.mu.Lock()
	c.state.Failed[node.Ed25519], c.failedAt[node.Ed25519] = c.now().UTC(), time.Now()
	c.mu.Unlock()
	c.log.Info("service node fails", "node", node.Ed25519, "error", why)
}

// markGood undoes markFailed for nodes.
func (c *Client) markGood(nodes ...Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, node := range nodes {
		delete(c.state.Failed, node.Ed25519)
	}
}

// ownFault reports whether an error is the fault of this machine or its proxy, and of no node.
func ownFault(err error) bool {
	return errors.Is(err, storagehttp.ErrProxy) || errors.Is(err, storagehttp.ErrNoIPv4)
}

// noteOwnFault remembers an error for which ownFault returns true.
func (c *Client) noteOwnFault(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault, c.faultAt = err, time.Now()
}

// lastOwnFault returns the last such error, as long as the failures of nodes can be due to it.
func (c *Client) lastOwnFault() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault != nil && time.Since(c.faultAt) < c.round {
		return c.fault
	}
	return nil
}

// Suspect reports whether a node has failed within the last minutes, in this run or an earlier one.
func (c *Client) Suspect(key Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.failed(key, c.now())
}

// Shuffle returns the nodes in random order, those that failed lately behind all others.
func (c *Client) Shuffle(nodes []Node) []Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	var good, failed []Node
	for _, i := range c.rng.Perm(len(nodes)) {
		if c.state.failed(nodes[i].Ed25519, now) {
			failed = append(failed, nodes[i])
		} else {
			good = append(good, nodes[i])
		}
	}
	return slices.Concat(good, failed)
}

// OneIn reports true once in n calls, at random.
func (c *Client) OneIn(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.IntN(n) == 0
}
