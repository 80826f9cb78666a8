package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/swarm"
)

// maxVersionText bounds what is taken of a node's version.
const maxVersionText = 64

// RegisteredSwarm returns the swarm of id as it follows from the seeds' list of nodes, which is fetched anew, whatever
// the nodes themselves say. The error wraps ErrNoSwarm if the seeds tell no swarms, or is that of Nodes.
func (c *Client) RegisteredSwarm(ctx context.Context, id sessionid.ID) (swarm.SwarmID, []Node, error) {
	if err := c.Refresh(ctx); err != nil {
		return swarm.NoSwarm, nil, err
	}
	if _, err := c.Nodes(ctx); err != nil {
		return swarm.NoSwarm, nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	chosen, members, ok := c.ring(id)
	if !ok {
		return swarm.NoSwarm, nil, fmt.Errorf("%w: the seeds give no swarm IDs", ErrNoSwarm)
	}
	return chosen, members, nil
}

// Version asks a node which software it runs: directly, so that it learns this machine's address but nothing else, and
// that it is reached is told, too. The error wraps ErrTarget or is the context's.
func (c *Client) Version(ctx context.Context, node Node) (string, error) {
	round, cancel := context.WithTimeoutCause(ctx, roundTimeout, errRoundTimeout)
	defer cancel()
	answer, err := c.http.GetNode(round, node.IP, node.Port, storage.StatsPath)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	var stats struct {
		Version string `json:"version"`
	}
	switch {
	case err != nil:
	case answer.Status != storage.StatusOK:
		err = fmt.Errorf("status %d", answer.Status)
	case json.Unmarshal(answer.Body, &stats) != nil || stats.Version == "":
		err = errors.New("its answer names no version")
	default:
		return stats.Version[:min(len(stats.Version), maxVersionText)], nil
	}
	return "", fmt.Errorf("%w: %s: %w", ErrTarget, node.Ed25519, err)
}
