package network

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/storagehttp"
)

const (
	// maxAttempts bounds how many paths one request tries.
	maxAttempts = 4
	// roundTimeout is for one onion request: each relay waits 10 s for the next hop (storage-2.0.md section 7.4), so an
	// honest guard has answered by then. A target that is asked to wait for something has syncroute.MaxWait, which leaves
	// the relays two seconds for the way.
	roundTimeout = 15 * time.Second
)

var errRoundTimeout = fmt.Errorf("%w in time", storagehttp.ErrUnreachable)

// Answer is what a target answered to a storage RPC, and the hops that carried it there.
type Answer struct {
	Status int
	Body   string
	Path   []Node
}

// Call is a storage RPC on its way to a node.
type Call struct {
	Method string // by which the time that answers take is learned
	Body   []byte
	// Wait is how long the node is asked to wait for something. Slow says that it may wait for others, for some time: such
	// a request is repeated only if a probe finds no answer either.
	Wait time.Duration
	Slow bool
	Late func() // called when the answer is late, at most once; nil if it does not matter
}

// patient reports whether an answer that takes its time is no sign of trouble.
func (c Call) patient() bool { return c.Slow || c.Wait > 0 }

// Backend carries calls to nodes. [Group] is the one over onion paths; errors are those of [Client.Request].
type Backend interface {
	Do(ctx context.Context, target Node, call Call) (Answer, error)
}

// Request sends a storage RPC body to target through an onion path. When the answer is late, the same request goes over
// another path, and the first answer counts. A path that fails is replaced: the hop at fault is found and left out for
// a while. The error wraps ErrTarget if it is target that does not answer; ErrNoPath,
// ErrTooFewNodes or ErrNoSeed if no path works; onion.ErrTooLarge or onion.ErrNotText if body cannot travel; or it is
// the context's.
func (c *Client) Request(ctx context.Context, target Node, body []byte) (Answer, error) {
	return c.Group().Request(ctx, target, body)
}

// Do is Request for a call. It implements [Backend].
func (c *Client) Do(ctx context.Context, target Node, call Call) (Answer, error) {
	return c.Group().Do(ctx, target, call)
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
	return g.Do(ctx, target, Call{Body: body})
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

// detour chooses another path to target than those that were tried, away from all others of the group.
func (g *Group) detour(ctx context.Context, target Key, tried [][]Node) ([]Node, error) {
	g.mu.Lock()
	avoid := slices.Collect(maps.Values(g.paths))
	g.mu.Unlock()
	var used []Key
	for _, path := range append(avoid, tried...) {
		for _, hop := range path {
			used = append(used, hop.Ed25519)
		}
	}
	return g.client.Path(ctx, target, used...)
}

// keep makes path the group's path to target: it has carried an answer.
func (g *Group) keep(target Key, path []Node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.paths[target] = path
}

// drop forgets path if it is the one to target.
func (g *Group) drop(target Key, path []Node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if slices.Equal(g.paths[target], path) {
		delete(g.paths, target)
	}
}

// pathError is an answer that some hop gave in clear instead of passing one on (storage-2.0.md section 7.4).
type pathError struct {
	status int
	text   string // the beginning of it
}

func (e *pathError) Error() string { return fmt.Sprintf("a hop answers %d: %q", e.status, e.text) }

// travel sends body to target through exactly these hops, once. With no hop at all target is asked as a guard.
func (c *Client) travel(ctx context.Context, path []Node, target Node, body []byte) (onion.Response, error) {
	return c.carry(ctx, path, target, body)
}

// post is travel over HTTPS.
func (c *Client) post(ctx context.Context, path []Node, target Node, body []byte) (onion.Response, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.round, errRoundTimeout)
	defer cancel()
	hops := make([]onion.Hop, len(path))
	for i, node := range path {
		hops[i] = c.hop(node)
	}
	request, err := onion.Wrap(c.random, c.version, hops, c.hop(target), onion.Pad(body))
	if err != nil {
		return onion.Response{}, err
	}
	first := target
	if len(path) > 0 {
		first = path[0]
	}
	sent := c.now()
	answer, err := c.http.PostNode(ctx, first.IP, first.Port, c.version.Path(), request.Body)
	if err != nil {
		return onion.Response{}, err
	}
	c.overhear(first.Ed25519, answer.Time(), sent)
	if answer.Status != storage.StatusOK {
		return onion.Response{}, &pathError{answer.Status, string(answer.Body[:min(len(answer.Body), 200)])}
	}
	response, err := request.OpenResponse(answer.Body)
	if err == nil {
		c.overhear(target.Ed25519, answerTime(response.Status, response.Body), sent)
	}
	return response, err
}
