package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/swarm"
)

// maxVersionText bounds the bytes of a node's version.
const maxVersionText = 64

// RegisteredSwarm returns the swarm of id by the seeds' list of nodes, which it fetches anew, whatever the nodes say.
// The error wraps [ErrNoSwarm] if the seeds give no swarm IDs, or is that of [Client.Nodes].
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

// Version asks a node for its software version, directly, without an onion path. The node learns this machine's address
// and nothing else. The error wraps [ErrTarget] or is the context's.
func (c *Client) Version(ctx context.Context, node Node) (string, error) {
	round, cancel := context.WithTimeoutCause(ctx, roundTimeout, errRoundTimeout)
	defer cancel()
	started := time.Now()
	answer, err := c.http.GetNode(round, node.IP, node.Port, storage.StatsPath)
	if err == nil {
		c.log.Info("node answers", "method", storage.StatsPath, "path", pathDirect,
			"ms", milliseconds(time.Since(started)), "status", answer.Status, "node", node.Ed25519)
	}
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
