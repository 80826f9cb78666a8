package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"sessiontool/lib/onion"
	"sessiontool/lib/rpc"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// maxAttempts bounds how many paths one request tries.
const maxAttempts = 4

// Answer is what a target answered to a storage RPC, and the hops that carried it there.
type Answer struct {
	Status int
	Body   string
	Path   []Node
}

// Request sends a storage RPC body to target through an onion path. A path that fails is mended: the hop at fault is
// found, left out for a while and replaced. The error wraps ErrTarget if it is target that does not answer, ErrNoPath
// or ErrTooFewNodes if no path works, or is the context's.
func (c *Client) Request(ctx context.Context, target Node, body []byte) (Answer, error) {
	return c.Group().Request(ctx, target, body)
}

// Group is a set of requests whose paths share no hop as long as the network has enough nodes, so that no node sees
// two of them. It is safe for concurrent use.
type Group struct {
	client *Client
	mu     sync.Mutex
	used   []Key
}

// Group starts an empty group.
func (c *Client) Group() *Group { return &Group{client: c} }

// Request is Client.Request within the group.
func (g *Group) Request(ctx context.Context, target Node, body []byte) (Answer, error) {
	var failure error
	for range maxAttempts {
		path, err := g.path(ctx, target)
		if err != nil {
			return Answer{}, err
		}
		response, err := g.client.Travel(ctx, path, target, body)
		if err == nil {
			return Answer{Status: response.Status, Body: response.Body, Path: path}, nil
		}
		if ctx.Err() != nil {
			return Answer{}, ctx.Err()
		}
		culprit := g.client.findCulprit(ctx, path, target, err)
		g.client.markBad(culprit, err)
		if culprit.Ed25519 == target.Ed25519 {
			return Answer{}, fmt.Errorf("%w: %s: %w", ErrTarget, target.Ed25519, err)
		}
		failure = err
	}
	return Answer{}, fmt.Errorf("%w: %w", ErrNoPath, failure)
}

func (g *Group) path(ctx context.Context, target Node) ([]Node, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	path, err := g.client.Path(ctx, target.Ed25519, g.used...)
	for _, hop := range path {
		g.used = append(g.used, hop.Ed25519)
	}
	return path, err
}

// pathError is an answer that some hop gave in clear instead of passing one on (node notes, section 7).
type pathError struct {
	status int
	text   string
}

func (e *pathError) Error() string { return fmt.Sprintf("a hop answers %d: %s", e.status, e.text) }

// Travel sends body to target through exactly these hops, once. With no hop at all target is asked as a guard.
func (c *Client) Travel(ctx context.Context, path []Node, target Node, body []byte) (onion.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	hops := make([]onion.Hop, len(path))
	for i, node := range path {
		hops[i] = node.hop()
	}
	request, err := onion.Wrap(c.random, c.version, hops, target.hop(), body)
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
		text := answer.Body[:min(len(answer.Body), 200)]
		return onion.Response{}, &pathError{answer.Status, fmt.Sprintf("%q", text)}
	}
	return request.OpenResponse(answer.Body)
}

// namedNode finds the key in "Next node not found: KEY" and "Snode not ready: KEY".
var namedNode = regexp.MustCompile(`(?:Next node not found|Snode not ready): ([0-9a-f]{64})`)

// findCulprit returns the node on the way that failed: the one that the answer names, or the first one that does
// not answer when the path is walked hop by hop. If every hop answers, it is the target.
func (c *Client) findCulprit(ctx context.Context, path []Node, target Node, failure error) Node {
	if errors.Is(failure, rpc.ErrUnreachable) && len(path) > 0 {
		return path[0]
	}
	var said *pathError
	if errors.As(failure, &said) {
		if match := namedNode.FindStringSubmatch(said.text); match != nil {
			for _, node := range append(path[:len(path):len(path)], target) {
				if node.Ed25519.String() == match[1] {
					return node
				}
			}
		}
	}
	probe, err := rpc.NewRequest(rpc.MethodSwarm, rpc.SwarmParams{PubKey: c.nobody().String()})
	if err != nil {
		return target
	}
	for i, hop := range path {
		if _, err := c.Travel(ctx, path[:i], hop, probe); err != nil {
			return hop
		}
	}
	return target
}

// nobody is a random Session ID, for questions that must not tell who asks.
func (c *Client) nobody() sessionid.ID {
	return sessionid.FromPublicKey(x25519.PublicKey(c.randomKey()))
}

// decode reads an answer's JSON body.
func (a Answer) decode(v any) error {
	if err := json.Unmarshal([]byte(a.Body), v); err != nil {
		return fmt.Errorf("answer is not the JSON that was expected: %w", err)
	}
	return nil
}
