package network

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/trace"
)

const (
	// guardsWanted and guardsEnough are those of the 2020 client (signal-2020.md section 13).
	guardsWanted = 3
	guardsEnough = 2
	// guardTests bounds how many candidates for guards are tested at a time. If none of them answers, the fault is
	// closer to this machine.
	guardTests = 12
	// guardTimeout is the time for a candidate's answer, which depends on no other node.
	guardTimeout = 5 * time.Second
)

// errCutOff reports that no candidate for a guard answers. They are not asked again for cutOffFor, so that several
// requests that need a path fail together and not one after the other.
var errCutOff = fmt.Errorf("%w: no service node answers", ErrNoPath)

const cutOffFor = 5 * time.Second

// guards returns the first guardsWanted of the kept guards that are still registered and have not failed lately. They
// are in the order of selection, so that older ones are used again once their failure is forgotten. If fewer than
// guardsEnough are left, it takes further ones, up to maxGuards: an attacker that can block a client's guards must not
// make it try nodes until it picks one of the attacker's (compare proposal 271 of Tor). There must be a node list.
func (c *Client) guards(ctx context.Context) ([]Node, error) {
	c.guardsMu.Lock()
	defer c.guardsMu.Unlock()
	if guards, _ := c.storedGuards(); len(guards) >= guardsEnough {
		return guards[:min(len(guards), guardsWanted)], nil
	}
	if within(time.Now(), c.cutOffAt, cutOffFor) {
		return nil, errCutOff
	}
	guards, err := c.chooseGuards(ctx)
	if errors.Is(err, errCutOff) {
		c.cutOffAt = time.Now()
	}
	if err != nil {
		return nil, err
	}
	c.keepGuards(guards)
	if guards, _ = c.storedGuards(); len(guards) == 0 {
		return nil, errCutOff
	}
	return guards[:min(len(guards), guardsWanted)], nil
}

// maxGuards is the largest number of registered guards to keep in a network of that many nodes.
func maxGuards(nodes int) int { return min(max(8, nodes/5), 20) }

// storedGuards returns the registered guards, and apart from them those that failed lately.
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

// keepGuards appends new guards to the kept ones, as far as there is room.
func (c *Client) keepGuards(guards []Node) {
	c.mu.Lock()
	var kept []Key
	for _, key := range c.state.Guards {
		if _, registered := c.index[key]; registered {
			kept = append(kept, key)
		}
	}
	most := maxGuards(len(c.state.Nodes))
	for _, guard := range guards {
		if len(kept) < most && !slices.Contains(kept, guard.Ed25519) {
			kept = append(kept, guard.Ed25519)
		}
	}
	c.state.Guards = kept
	c.mu.Unlock()
	c.save()
}

// chooseGuards finds guards that answer. If none does, the node list may be old, and is fetched again.
func (c *Client) chooseGuards(ctx context.Context) ([]Node, error) {
	ctx, span := trace.Start(ctx, trace.SpanGuards)
	defer span.End(nil)
	guards := c.testGuards(ctx)
	if len(guards) == 0 && ctx.Err() == nil && c.lastOwnFault() == nil && !c.askedLately() {
		before, _ := c.known()
		if err := c.Refresh(ctx); err != nil {
			return nil, err
		}
		if after, _ := c.known(); !slices.Equal(before, after) {
			guards = c.testGuards(ctx)
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(guards) == 0:
		if err := c.lastOwnFault(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoPath, err)
		}
		return nil, errCutOff
	}
	return guards, nil
}

// testGuards returns the first candidates that answer: guardsWanted of them, or guardsEnough if the others are late. It
// tests as many at a time as are still wanted. Whenever answers are late, it tests that many more.
func (c *Client) testGuards(ctx context.Context) (guards []Node) {
	ctx, cancel := context.WithCancel(ctx)
	var tests sync.WaitGroup
	defer tests.Wait()
	defer cancel()
	candidates := c.guardCandidates()
	type tested struct {
		node Node
		good bool
	}
	results := make(chan tested, len(candidates))
	begun, over := 0, 0
	begin := func() {
		if begun < len(candidates) {
			node := candidates[begun]
			begun++
			tests.Go(func() { results <- tested{node, c.testGuard(ctx, node)} })
		}
	}
	for range guardsWanted {
		begin()
	}
	late := time.NewTicker(c.lateAfter(probeCall))
	defer late.Stop()
	for over < begun && len(guards) < guardsWanted {
		select {
		case result := <-results:
			over++
			if result.good {
				guards = append(guards, result.node)
			} else {
				begin()
			}
		case <-late.C:
			if len(guards) >= guardsEnough {
				return guards
			}
			for range begun {
				begin()
			}
		case <-ctx.Done():
			return guards
		}
	}
	return guards
}

// guardCandidates returns up to guardTests nodes in the order of testing. Former guards come first, even if they
// failed. Others follow only while fewer than maxGuards are kept: an attacker that cuts the client off for a moment
// must not make it change guards.
func (c *Client) guardCandidates() []Node {
	guards, failed := c.storedGuards()
	nodes, _ := c.known()
	var candidates []Node
	seen := make(map[Key]bool)
	if len(guards)+len(failed) >= maxGuards(len(nodes)) {
		nodes = nil
	}
	for _, node := range slices.Concat(guards, failed, c.Shuffle(nodes)) {
		if !seen[node.Ed25519] && len(candidates) < guardTests {
			seen[node.Ed25519] = true
			candidates = append(candidates, node)
		}
	}
	return candidates
}

// testGuard sends a node a question in an onion of one layer, which only the holder of its registered key can answer.
// The node learns only that a client exists.
func (c *Client) testGuard(ctx context.Context, node Node) bool {
	testing, cancel := context.WithTimeoutCause(ctx, c.trial, errRoundTimeout)
	defer cancel()
	err := c.tracedProbe(testing, nil, node, "candidate for a guard", wayDirect)
	switch {
	case err == nil:
		c.markGood(node)
	case ctx.Err() == nil:
		c.markFailed(node, err)
	}
	return err == nil
}

const (
	// maxStrikes is how many nodes may seem to fail behind a guard within strikesCount although they answer through
	// another one. Then the guard is left out for a while: it selects which paths work.
	maxStrikes   = 3
	strikesCount = time.Hour
)

var errSteers = errors.New("nodes fail behind it that answer through another guard")

// strike records that a node seemed to fail behind a guard although it answers through another one.
func (c *Client) strike(guard, node Node) {
	c.mu.Lock()
	now := c.now().UTC()
	strikes := c.state.Strikes[guard.Ed25519]
	if strikes == nil {
		strikes = make(map[Key]time.Time)
		c.state.Strikes[guard.Ed25519] = strikes
	}
	strikes[node.Ed25519] = now
	for key, at := range strikes {
		if !within(now, at, strikesCount) {
			delete(strikes, key)
		}
	}
	out := len(strikes) >= maxStrikes
	if out {
		delete(c.state.Strikes, guard.Ed25519)
	}
	c.mu.Unlock()
	if out {
		c.markFailed(guard, errSteers)
	}
}
