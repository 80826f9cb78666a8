package network

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sessiontool/lib/network/listing"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/swarm"
	"sessiontool/lib/trace"
)

// swarmTries bounds how many nodes are asked for a swarm.
const swarmTries = 5

// SwarmTargets is how many members of a swarm a message is stored at and polled from (signal-2020.md section 11).
const SwarmTargets = 3

// Swarm returns the members of id's swarm: from the cache while that is fresh and has SwarmTargets members left, else
// from [Client.LookupSwarm], which [Client.ExpectSwarm] may have called before.
func (c *Client) Swarm(ctx context.Context, id sessionid.ID) ([]Node, error) {
	if _, err := c.Nodes(ctx); err != nil {
		return nil, err
	}
	if err := c.awaitLookup(ctx, id); err != nil {
		return nil, err
	}
	if members := c.cachedSwarm(id); len(members) >= SwarmTargets {
		return members, nil
	}
	return c.LookupSwarm(ctx, id)
}

// cachedSwarm returns the cached swarm as checked against the current ring: false answers to an earlier run do not
// count. Without a ring it returns the cached members that are still registered.
func (c *Client) cachedSwarm(id sessionid.ID) []Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, ok := c.state.Swarms[swarmName(id)]
	if !ok || !within(c.now(), entry.At, swarmFreshFor) {
		return nil
	}
	if _, members, ok := c.ring(id); ok {
		return members
	}
	var members []Node
	for _, key := range entry.Members {
		if i, ok := c.index[key]; ok {
			members = append(members, c.state.Nodes[i])
		}
	}
	return members
}

// ring returns the swarm of id by the seeds' list, or false if the list has no swarm IDs. c.mu is held.
func (c *Client) ring(id sessionid.ID) (swarm.SwarmID, []Node, bool) {
	ids := make([]swarm.SwarmID, len(c.state.Nodes))
	for i, node := range c.state.Nodes {
		ids[i] = node.SwarmID
	}
	chosen, ok := swarm.Choose(swarm.Position(id.PublicKey()), ids)
	if !ok {
		return swarm.NoSwarm, nil, false
	}
	var members []Node
	for _, node := range c.state.Nodes {
		if node.SwarmID == chosen {
			members = append(members, node)
		}
	}
	return chosen, members, true
}

func (c *Client) ringMembers(id sessionid.ID) ([]Node, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, members, ok := c.ring(id)
	return members, ok
}

// Member returns the node with this key if it is currently known as a member of id's swarm.
func (c *Client) Member(id sessionid.ID, key Key) (Node, bool) {
	for _, member := range c.cachedSwarm(id) {
		if member.Ed25519 == key {
			return member, true
		}
	}
	return Node{}, false
}

// LookupSwarm asks a random node for the swarm of id, whatever the cache has, and caches the result. The answer counts
// as far as the ring of the seeds' list agrees, see [Client.AdoptSwarm]. If the seeds give no swarm IDs, three nodes
// are asked over disjoint paths, and the majority decides on each member. The error wraps [ErrNoSwarm] if too few nodes
// answered or no two agree, else it is one of [Client.Request].
func (c *Client) LookupSwarm(ctx context.Context, id sessionid.ID) (members []Node, err error) {
	ctx, span := trace.Start(ctx, trace.SpanLookup)
	defer func() { span.End(err) }()
	body, err := storage.NewRequest(storage.MethodSwarm, rpc20.SwarmParams{PubKey: id.String()})
	if err != nil {
		return nil, err
	}
	if _, err := c.Nodes(ctx); err != nil {
		return nil, err
	}
	if _, known := c.ringMembers(id); known {
		return c.lookup(ctx, id, body, 1, swarmTries)
	}
	return c.lookup(ctx, id, body, witnesses, witnesses*swarmTries)
}

// lookup asks up to tries random nodes until voices of them have answered with a swarm.
func (c *Client) lookup(ctx context.Context, id sessionid.ID, body []byte, voices, tries int) ([]Node, error) {
	judge := &swarmJudge{body: body}
	asked := make(map[Key]bool)
	for len(asked) < tries {
		nodes, err := c.Nodes(ctx) // may be a new list if the nodes before do not answer any more
		if err != nil {
			return nil, err
		}
		nodes = slices.DeleteFunc(c.Shuffle(nodes), func(n Node) bool { return asked[n.Ed25519] })
		nodes = nodes[:min(len(nodes), (tries-len(asked)+1)/2)]
		if len(nodes) == 0 {
			break
		}
		for _, node := range nodes {
			asked[node.Ed25519] = true
		}
		missing := max(voices-len(judge.answers), 1)
		err = c.AskSwarm(ctx, Question{
			Owner: id, Call: Call{Method: storage.MethodSwarm}, Judge: judge, Only: nodes,
			Sides: missing, Enough: missing, Least: missing,
		})
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil:
			members, err := c.believe(ctx, id, judge.answers)
			if err == nil {
				return members, nil
			}
			judge.failures = append(judge.failures, err)
		case !errors.Is(err, ErrUnanswered) && !errors.Is(err, ErrClock): // another node would not help
			return nil, err
		default:
			judge.failures = append(judge.failures, err)
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrNoSwarm, errors.Join(judge.failures...))
}

// swarmJudge asks nodes for a swarm, and collects their answers.
type swarmJudge struct {
	body     []byte
	answers  [][]storage.Snode
	failures []error
}

func (j *swarmJudge) Request(Node) ([]byte, error) { return j.body, nil }

func (j *swarmJudge) Judge(reply Reply) Verdict {
	if reply.Err != nil || reply.Status != storage.StatusOK {
		return Next
	}
	snodes, err := storage.ParseSwarm(reply.Body)
	if err == nil && len(snodes) == 0 {
		err = errors.New("the swarm that it names has no member")
	}
	if err != nil {
		j.failures = append(j.failures, fmt.Errorf("node %s: %w", reply.Member.Ed25519, err))
		return Next
	}
	j.answers = append(j.answers, snodes)
	return Done
}

// AdoptSwarm checks the body of a 421, which names another swarm of id, and returns and caches the swarm that counts.
// It first fetches the node list anew, unless this run has just done so several times. Then the ring of the list
// decides; the body is only a hint that it may have changed. Without a ring three nodes are asked, see
// [Client.LookupSwarm]. A body without a registered node is an error.
func (c *Client) AdoptSwarm(ctx context.Context, id sessionid.ID, body string) ([]Node, error) {
	snodes, err := storage.ParseSwarm(body)
	if err != nil {
		return nil, err
	}
	known, _ := c.registered(snodes)
	if err := c.doubt(ctx); err != nil && len(known) == 0 {
		return nil, err
	}
	if known, _ = c.registered(snodes); len(known) == 0 {
		return nil, errors.New("the swarm that a node names has no registered member")
	}
	if members, ok := c.ringMembers(id); ok {
		c.keepSwarm(id, members)
		return members, nil
	}
	return c.LookupSwarm(ctx, id)
}

// believe returns and caches the swarm of id, for which nodes have given these answers. If an answer and the ring of
// the seeds' list differ, the list may be old and is fetched anew; then the ring decides. Without a ring a node is a
// member if most answers name it.
func (c *Client) believe(ctx context.Context, id sessionid.ID, answers [][]storage.Snode) ([]Node, error) {
	members, ok := c.ringMembers(id)
	if named, missing := c.registered(answers[0]); ok && (missing || !sameNodes(named, members)) {
		c.log.Info("a node and the seeds' list differ in a swarm", "named", len(named), "listed", len(members))
		if err := c.doubt(ctx); err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		members, ok = c.ringMembers(id)
	}
	if !ok {
		if members = c.majority(answers); len(members) == 0 {
			if err := c.doubt(ctx); err != nil {
				return nil, err
			}
			members = c.majority(answers)
		}
	}
	if len(members) == 0 {
		return nil, errors.New("nodes agree on no registered member")
	}
	c.keepSwarm(id, members)
	return members, nil
}

// majority returns the registered nodes that more than half of the answers name, of at least [witnesses] answers.
func (c *Client) majority(answers [][]storage.Snode) (members []Node) {
	votes := make(map[Key]int)
	for _, answer := range answers {
		named, _ := c.registered(answer)
		for _, node := range named {
			if votes[node.Ed25519]++; votes[node.Ed25519] == max(len(answers), witnesses)/2+1 {
				members = append(members, node)
			}
		}
	}
	return members
}

func sameNodes(a, b []Node) bool {
	keys := make(map[Key]bool, len(a))
	for _, node := range a {
		keys[node.Ed25519] = true
	}
	for _, node := range b {
		if !keys[node.Ed25519] {
			return false
		}
	}
	return len(keys) == len(b)
}

func (c *Client) keepSwarm(id sessionid.ID, members []Node) {
	entry := swarmEntry{Members: make([]Key, len(members))}
	for i, member := range members {
		entry.Members[i] = member.Ed25519
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	entry.At = c.now().UTC()
	c.state.Swarms[swarmName(id)] = entry
}

// registered returns the listed nodes that the seeds know, each once, and whether any is unknown.
func (c *Client) registered(snodes []storage.Snode) (members []Node, missing bool) {
	seen := make(map[Key]bool)
	for _, snode := range snodes {
		key, err := listing.ParseKey(snode.PubkeyEd25519)
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

// Readers are the members of an account's swarm that its polls ask: those that the last one has Read to the end, and
// those that are Begun: their lists are read a part at a time.
type Readers struct {
	Read  []Key `json:"read"`
	Begun []Key `json:"begun,omitempty"`
}

// Readers returns what [Client.KeepReaders] has stored.
func (c *Client) Readers(id sessionid.ID) Readers {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Readers[swarmName(id)]
}

// KeepReaders stores the readers of id's swarm, also for later runs: to ask the same members again is quick, since what
// they give was read before.
func (c *Client) KeepReaders(id sessionid.ID, readers Readers) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := swarmName(id)
	for other := range c.state.Readers {
		if len(c.state.Readers) >= maxReaders && other != name {
			delete(c.state.Readers, other)
		}
	}
	if c.state.Readers == nil {
		c.state.Readers = make(map[string]Readers)
	}
	c.state.Readers[name] = readers
}
