package network

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"sessiontool/lib/onion"
	"sessiontool/lib/rpc"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

const (
	// maxAttempts bounds how many paths one request tries.
	maxAttempts = 4
	// roundTimeout is for one onion request: each relay waits 10 s for the next hop (storage-2.0.md section 7.4), so an
	// honest guard has answered by then. A target that is asked to wait for something has rpc.MaxWait, which leaves the
	// relays two seconds for the way.
	roundTimeout = 15 * time.Second
)

var errRoundTimeout = fmt.Errorf("%w in time", rpc.ErrUnreachable)

// Answer is what a target answered to a storage RPC, and the hops that carried it there.
type Answer struct {
	Status int
	Body   string
	Path   []Node
}

// Request sends a storage RPC body to target through an onion path. A path that fails is mended: the hop at fault is
// found, left out for a while and replaced. The error wraps ErrTarget if it is target that does not answer; ErrNoPath,
// ErrTooFewNodes or ErrNoSeed if no path works; onion.ErrTooLarge or onion.ErrNotText if body cannot travel; or it is
// the context's.
func (c *Client) Request(ctx context.Context, target Node, body []byte) (Answer, error) {
	return c.Group().Request(ctx, target, body)
}

// Group is a set of requests whose paths to different targets share no hop as long as guards and nodes suffice, so that
// no relay sees two of them. Requests to the same target take the same path while it works. It is safe for
// concurrent use.
type Group struct {
	client *Client

	mu    sync.Mutex
	paths map[Key][]Node // by target
}

// Group starts an empty group.
func (c *Client) Group() *Group { return &Group{client: c, paths: make(map[Key][]Node)} }

// Request is Client.Request within the group.
func (g *Group) Request(ctx context.Context, target Node, body []byte) (Answer, error) {
	var failure error
	for range maxAttempts {
		path, err := g.path(ctx, target.Ed25519)
		if err != nil {
			return Answer{}, err
		}
		response, err := g.client.travel(ctx, path, target, body)
		switch {
		case err == nil:
			g.client.log.Info("node answers", "node", target.Ed25519, "status", response.Status, "guard", path[0].Ed25519)
			return Answer{Status: response.Status, Body: response.Body, Path: path}, nil
		case errors.Is(err, onion.ErrTooLarge), errors.Is(err, onion.ErrNotText):
			return Answer{}, err
		case ctx.Err() != nil: // nobody wants to wait any longer, which is no fault of the path
			return Answer{}, ctx.Err()
		}
		g.drop(target.Ed25519)
		culprit := g.client.blame(ctx, path, target, err)
		if ctx.Err() != nil {
			return Answer{}, ctx.Err() // whatever failed then proves nothing
		}
		g.client.markFailed(culprit, err)
		if culprit.Ed25519 == target.Ed25519 {
			return Answer{}, fmt.Errorf("%w: %s: %w", ErrTarget, target.Ed25519, err)
		}
		failure = err
	}
	return Answer{}, fmt.Errorf("%w: %w", ErrNoPath, failure)
}

// path returns the group's path to target, choosing one if there is none.
func (g *Group) path(ctx context.Context, target Key) ([]Node, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if path, ok := g.paths[target]; ok {
		return path, nil
	}
	var used []Key
	for path := range maps.Values(g.paths) {
		for _, hop := range path {
			used = append(used, hop.Ed25519)
		}
	}
	path, err := g.client.Path(ctx, target, used...)
	if err == nil {
		g.paths[target] = path
	}
	return path, err
}

// drop forgets the path to target.
func (g *Group) drop(target Key) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.paths, target)
}

// pathError is an answer that some hop gave in clear instead of passing one on (storage-2.0.md section 7.4).
type pathError struct {
	status int
	text   string // the beginning of it
}

func (e *pathError) Error() string { return fmt.Sprintf("a hop answers %d: %q", e.status, e.text) }

// travel sends body to target through exactly these hops, once. With no hop at all target is asked as a guard.
func (c *Client) travel(ctx context.Context, path []Node, target Node, body []byte) (onion.Response, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.round, errRoundTimeout)
	defer cancel()
	hops := make([]onion.Hop, len(path))
	for i, node := range path {
		hops[i] = c.hop(node)
	}
	request, err := onion.Wrap(c.random, c.version, hops, c.hop(target), body)
	if err != nil {
		return onion.Response{}, err
	}
	first := target
	if len(path) > 0 {
		first = path[0]
	}
	answer, err := c.http.PostNode(ctx, first.IP, first.Port, c.version.Path(), request.Body)
	if err != nil {
		return onion.Response{}, err
	}
	if answer.Status != rpc.StatusOK {
		return onion.Response{}, &pathError{answer.Status, string(answer.Body[:min(len(answer.Body), 200)])}
	}
	return request.OpenResponse(answer.Body)
}

// blame returns the node on the way that failed: the guard if it does not answer, else the first hop that does not
// answer when each is asked in turn through those before it. If every hop answers, it is the target. What a hop says
// about others is not believed; but where one does not know the next node, the list of nodes may be old.
func (c *Client) blame(ctx context.Context, path []Node, target Node, failure error) Node {
	if errors.Is(failure, rpc.ErrUnreachable) {
		return path[0]
	}
	if said := (*pathError)(nil); errors.As(failure, &said) && strings.HasPrefix(said.text, onion.TextNextNode) {
		if err := c.Refresh(ctx); err != nil {
			c.log.Info("a hop does not know another, and no seed tells who is right", "error", err)
		}
	}
	failures := make([]error, len(path))
	var wait sync.WaitGroup
	for i, hop := range path {
		wait.Go(func() { failures[i] = c.probe(ctx, path[:i], hop) })
	}
	wait.Wait()
	for i, err := range failures {
		if err != nil {
			return path[i]
		}
	}
	return target
}

// probe asks a node something harmless through the hops before it. The swarm of a random Session ID does not tell who
// asks, and whatever the node answers proves that it is there.
func (c *Client) probe(ctx context.Context, path []Node, node Node) error {
	var key x25519.PublicKey
	c.mu.Lock()
	for i := range key {
		key[i] = byte(c.rng.Uint32())
	}
	c.mu.Unlock()
	body, err := rpc.NewRequest(rpc.MethodSwarm, rpc.SwarmParams{PubKey: sessionid.FromPublicKey(key).String()})
	if err != nil {
		return err
	}
	_, err = c.travel(ctx, path, node, body)
	return err
}
