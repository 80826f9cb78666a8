package network

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// witnesses is how many nodes are asked about things that a single one could lie about: the generation and the time.
const witnesses = 3

// Generation returns the network's storage RPC: that of the Config, else that of the seeds or an earlier run, else that
// of most of three random nodes, which is remembered. The error wraps [ErrNoGeneration] if none of them gives it, is
// that of [Client.Nodes] or [Client.Request], or the context's.
func (c *Client) Generation(ctx context.Context) (storage.Generation, error) {
	if known := c.knownGeneration(); known != "" {
		return known, nil
	}
	if _, err := c.Nodes(ctx); err != nil {
		return "", err
	}
	if known := c.knownGeneration(); known != "" {
		return known, nil
	}
	answers, err := c.askWitnesses(ctx)
	if err != nil {
		return "", err
	}
	votes := make(map[storage.Generation]int)
	for _, answer := range answers {
		votes[answer.generation()]++
	}
	switch {
	case votes[storage.Generation28] > votes[storage.Generation20]:
		c.setGeneration(storage.Generation28)
	case votes[storage.Generation20] > 0:
		c.setGeneration(storage.Generation20)
	default:
		return "", ErrNoGeneration
	}
	return c.knownGeneration(), nil
}

// KnownGeneration returns the storage RPC as far as it is known, else the empty one. It asks no node.
func (c *Client) KnownGeneration() storage.Generation { return c.knownGeneration() }

func (c *Client) knownGeneration() storage.Generation {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation != "" {
		return c.generation
	}
	return c.state.Generation
}

func (c *Client) setGeneration(g storage.Generation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Generation = g
}

// witness is a node's answer to an info request, and the time of the answer on this machine's clock.
type witness struct {
	Answer
	node Node
	at   time.Time
}

// generation is 2.8 if the node knows the method, and 2.0 if it answers that it does not.
func (w witness) generation() storage.Generation {
	switch {
	case w.Status == storage.StatusOK && w.time() != 0:
		return storage.Generation28
	case w.Status == storage.StatusBadRequest && strings.Contains(w.Body, rpc28.MethodInfo):
		return storage.Generation20
	}
	return ""
}

// time is the node's clock in milliseconds since 1970, or 0 if the answer has none.
func (w witness) time() int64 {
	var info rpc28.InfoAnswer
	if w.Status != storage.StatusOK || json.Unmarshal([]byte(w.Body), &info) != nil {
		return 0
	}
	return max(info.T, 0)
}

// askWitnesses asks three random nodes at once for their info. It succeeds if one of them answers.
func (c *Client) askWitnesses(ctx context.Context) ([]witness, error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	body, err := storage.NewRequest(rpc28.MethodInfo, struct{}{})
	if err != nil {
		return nil, err
	}
	judge := &witnessJudge{client: c, body: body, asked: make(map[Key]time.Time)}
	err = c.AskSwarm(ctx, Question{
		Call: Call{Method: rpc28.MethodInfo}, Judge: judge, Sides: witnesses, Enough: witnesses - 1,
		Only: c.Shuffle(nodes)[:min(len(nodes), 2*witnesses)],
	})
	if len(judge.answers) == 0 {
		return nil, err
	}
	return judge.answers, nil
}

// witnessJudge asks nodes for their info. Any answer counts.
type witnessJudge struct {
	client  *Client
	body    []byte
	asked   map[Key]time.Time
	answers []witness
}

func (j *witnessJudge) Request(node Node) ([]byte, error) {
	j.asked[node.Ed25519] = j.client.now()
	return j.body, nil
}

func (j *witnessJudge) Judge(reply Reply) Verdict {
	if reply.Err != nil {
		return Next
	}
	at := halfway(j.asked[reply.Member.Ed25519], j.client.now())
	j.answers = append(j.answers, witness{reply.Answer, reply.Member, at})
	return Done
}
