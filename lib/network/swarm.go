package network

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
)

// swarmTries bounds how many nodes are asked for a swarm.
const swarmTries = 5

// SwarmTargets is how many members of a swarm a message is stored to and asked from (signal-2020.md section 11).
const SwarmTargets = 3

// Swarm returns the members of id's swarm: from the cache while that is fresh and has SwarmTargets members left, else
// as LookupSwarm does.
func (c *Client) Swarm(ctx context.Context, id sessionid.ID) ([]Node, error) {
	if _, err := c.Nodes(ctx); err != nil {
		return nil, err
	}
	if members := c.cachedSwarm(id); len(members) >= SwarmTargets {
		return members, nil
	}
	return c.LookupSwarm(ctx, id)
}

func (c *Client) cachedSwarm(id sessionid.ID) []Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, ok := c.state.Swarms[swarmName(id)]
	if !ok || !within(c.now(), entry.At, swarmFreshFor) {
		return nil
	}
	var members []Node
	for _, key := range entry.Members {
		if i, ok := c.index[key]; ok {
			members = append(members, c.state.Nodes[i])
		}
	}
	return members
}

// LookupSwarm asks random nodes, whatever the cache says, until one tells the swarm of id, and caches it. It has at
// least one member. The error wraps ErrNoSwarm if none of the nodes told, else it is one of Request.
func (c *Client) LookupSwarm(ctx context.Context, id sessionid.ID) ([]Node, error) {
	body, err := storage.NewRequest(storage.MethodSwarm, rpc20.SwarmParams{PubKey: id.String()})
	if err != nil {
		return nil, err
	}
	judge := &swarmJudge{client: c, ctx: ctx, id: id, body: body}
	asked := make(map[Key]bool)
	for len(asked) < swarmTries {
		nodes, err := c.Nodes(ctx) // may be new ones if those before were not there any more
		if err != nil {
			return nil, err
		}
		nodes = slices.DeleteFunc(c.Shuffle(nodes), func(n Node) bool { return asked[n.Ed25519] })
		nodes = nodes[:min(len(nodes), (swarmTries-len(asked)+1)/2)]
		if len(nodes) == 0 {
			break
		}
		for _, node := range nodes {
			asked[node.Ed25519] = true
		}
		err = c.AskSwarm(ctx, Question{Owner: id, Call: Call{Method: storage.MethodSwarm}, Judge: judge, Only: nodes})
		switch {
		case err == nil:
			return judge.members, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !errors.Is(err, ErrUnanswered) && !errors.Is(err, ErrClock): // another node would not change that
			return nil, err
		}
		judge.failures = append(judge.failures, err)
	}
	return nil, fmt.Errorf("%w: %w", ErrNoSwarm, errors.Join(judge.failures...))
}

// swarmJudge asks for a swarm. The first answer that names members counts.
type swarmJudge struct {
	client   *Client
	ctx      context.Context
	id       sessionid.ID
	body     []byte
	members  []Node
	failures []error
}

func (j *swarmJudge) Request(Node) ([]byte, error) { return j.body, nil }

func (j *swarmJudge) Judge(reply Reply) Verdict {
	if reply.Err != nil || reply.Status != storage.StatusOK || j.members != nil {
		return Next
	}
	members, err := j.client.AdoptSwarm(j.ctx, j.id, reply.Body)
	if err != nil {
		j.failures = append(j.failures, fmt.Errorf("node %s: %w", reply.Member.Ed25519, err))
		return Next
	}
	j.members = members
	return Done
}

// AdoptSwarm takes the body of a get_snodes_for_pubkey answer or of a 421 as id's swarm, and caches and returns its
// members. Those that are not registered are left out, after a look whether the node list is merely old. A body that
// names no registered node is an error.
func (c *Client) AdoptSwarm(ctx context.Context, id sessionid.ID, body string) ([]Node, error) {
	snodes, err := storage.ParseSwarm(body)
	if err != nil {
		return nil, err
	}
	members, missing := c.registered(snodes)
	if missing {
		err := c.Refresh(ctx)
		if err != nil && len(members) == 0 {
			return nil, err
		}
		members, _ = c.registered(snodes)
	}
	if len(members) == 0 {
		return nil, errors.New("the swarm that a node tells has no registered member")
	}
	entry := swarmEntry{Members: make([]Key, len(members))}
	for i, member := range members {
		entry.Members[i] = member.Ed25519
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	entry.At = c.now().UTC()
	c.state.Swarms[swarmName(id)] = entry
	return members, nil
}

// registered returns the listed nodes as the seeds know them, each once, and whether any of them is unknown.
func (c *Client) registered(snodes []storage.Snode) (members []Node, missing bool) {
	seen := make(map[Key]bool)
	for _, snode := range snodes {
		key, err := parseKey(snode.PubkeyEd25519)
		if err != nil || seen[key] {
			continue
		}
		seen[key] = true
		if node, ok := c.Node(key); ok {
			members = append(members, node)
		} else {
			missing = true
		}
	}
	return members, missing
}
