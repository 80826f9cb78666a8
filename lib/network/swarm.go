package network

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sessiontool/lib/rpc"
	"sessiontool/lib/sessionid"
)

// swarmTries bounds how many nodes are asked for a swarm.
const swarmTries = 3

// SwarmTargets is how many members of a swarm a message is stored to and asked from (client notes, section 11).
const SwarmTargets = 3

// Swarm returns the members of id's swarm: from the cache while that is fresh and has SwarmTargets members left, else
// by asking random nodes. The error wraps ErrNoSwarm if none of them told.
func (c *Client) Swarm(ctx context.Context, id sessionid.ID) ([]Node, error) {
	if _, err := c.Nodes(ctx); err != nil {
		return nil, err
	}
	if members := c.cachedSwarm(id); len(members) >= SwarmTargets {
		return members, nil
	}
	return c.LookupSwarm(ctx, id)
}

// LookupSwarm asks the network whatever the cache says, and caches the answer.
func (c *Client) LookupSwarm(ctx context.Context, id sessionid.ID) ([]Node, error) {
	if _, err := c.Nodes(ctx); err != nil {
		return nil, err
	}
	body, err := rpc.NewRequest(rpc.MethodSwarm, rpc.SwarmParams{PubKey: id.String()})
	if err != nil {
		return nil, err
	}
	var failure error
	for _, node := range c.Shuffle(c.good())[:min(swarmTries, len(c.good()))] {
		answer, err := c.Request(ctx, node, body)
		if err == nil && answer.Status != rpc.StatusOK {
			err = fmt.Errorf("status %d", answer.Status)
		}
		var members []Node
		if err == nil {
			members, err = c.AdoptSwarm(ctx, id, answer.Body)
		}
		if err == nil {
			return members, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failure = err
	}
	return nil, fmt.Errorf("%w: %w", ErrNoSwarm, failure)
}

// AdoptSwarm takes the body of a get_snodes_for_pubkey answer or of a 421 as id's swarm. Members that are not
// registered are ignored, after one look whether the node list is merely old.
func (c *Client) AdoptSwarm(ctx context.Context, id sessionid.ID, body string) ([]Node, error) {
	var answer rpc.SwarmAnswer
	if err := (Answer{Body: body}).decode(&answer); err != nil {
		return nil, err
	}
	members, missing := c.registered(answer.Snodes)
	if missing {
		if err := c.Refresh(ctx); err != nil {
			return nil, err
		}
		members, _ = c.registered(answer.Snodes)
	}
	if len(members) == 0 {
		return nil, errStaleAnswers
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := swarmEntry{At: c.now()}
	for _, member := range members {
		entry.Members = append(entry.Members, member.Ed25519)
	}
	c.state.Swarms[swarmName(id)] = entry
	return members, nil
}

// registered returns the listed nodes as the seeds know them, and whether any of them is unknown.
func (c *Client) registered(snodes []rpc.Snode) (members []Node, missing bool) {
	for _, snode := range snodes[:min(len(snodes), maxNodes)] {
		key, err := parseKey(snode.PubkeyEd25519)
		if err != nil {
			continue
		}
		node, ok := c.Node(key)
		if !ok {
			missing = true
			continue
		}
		if !slices.ContainsFunc(members, func(n Node) bool { return n.Ed25519 == key }) {
			members = append(members, node)
		}
	}
	return members, missing
}

func (c *Client) cachedSwarm(id sessionid.ID) []Node {
	c.mu.Lock()
	entry, ok := c.state.Swarms[swarmName(id)]
	c.mu.Unlock()
	if !ok || c.now().Sub(entry.At) > swarmFreshFor {
		return nil
	}
	var members []Node
	for _, key := range entry.Members {
		if node, ok := c.Node(key); ok {
			members = append(members, node)
		}
	}
	return members
}

// dropOldSwarms keeps the cache within maxSwarms.
func (s *state) dropOldSwarms() {
	if len(s.Swarms) <= maxSwarms {
		return
	}
	var ages []time.Time
	for _, entry := range s.Swarms {
		ages = append(ages, entry.At)
	}
	slices.SortFunc(ages, time.Time.Compare)
	limit := ages[len(ages)-maxSwarms]
	for name, entry := range s.Swarms {
		if entry.At.Before(limit) {
			delete(s.Swarms, name)
		}
	}
}
