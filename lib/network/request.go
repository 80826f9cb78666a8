package network

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"sessiontool/lib/internal/waitmutex"
	"sessiontool/lib/network/clocks"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/storagehttp"
)

const (
	// maxAttempts bounds the paths that one request tries.
	maxAttempts = 4
	// roundTimeout bounds one onion request. Each relay waits 10 s for the next hop (storage-2.0.md section 7.4), so an
	// honest guard has answered by then. A target may be asked to wait for [syncroute.MaxWait], which leaves the relays
	// two seconds.
	roundTimeout = 15 * time.Second
)

var errRoundTimeout = fmt.Errorf("%w in time", storagehttp.ErrUnreachable)

// Answer is a target's answer to a storage RPC, and the hops that carried it.
type Answer struct {
	Status int
	Body   string
	Path   []Node
}

// Call is a storage RPC for a node.
type Call struct {
	Method string // the key of learned answer times
	Name   string // in the log and in traces; empty: Method
	Body   []byte
	// Wait is how long the node is asked to wait. Slow means that the node may wait for other nodes: such a request is
	// repeated only if a probe has no answer either.
	Wait time.Duration
	Slow bool
	// Handed means that the node hands the body to another client, and answers when that client's next request has come:
	// an answer takes as long again as others.
	Handed bool
	// Hedged means that a late answer to a Slow call is worth the same call to another target: Late is called after the
	// time that earlier answers to it took.
	Hedged bool
	// Late is called at most once, when the answer is late; may be nil. With spare, the same call may also go to another
	// target.
	Late func(spare bool)
}

// patient reports whether a late answer is no sign of a fault.
func (c Call) patient() bool { return c.Slow || c.Wait > 0 }

// Backend carries calls to nodes. [Group] is the backend over onion paths; its errors are those of [Client.Request].
type Backend interface {
	Do(ctx context.Context, target Node, call Call) (Answer, error)
}

// Request sends a storage RPC body to target through an onion path. When the answer is late, the same request also
// takes another path, and the first answer counts. A path that fails is replaced: the hop at fault is found and left
// out for a while. The error wraps [ErrTarget] if target does not answer; [ErrNoPath], [ErrTooFewNodes] or [ErrNoSeed]
// if no path works; [onion.ErrTooLarge] or [onion.ErrNotText] if body cannot be sent; or it is the context's.
func (c *Client) Request(ctx context.Context, target Node, body []byte) (Answer, error) {
	return c.Group().Request(ctx, target, body)
}

// Do is [Client.Request] for a call. It implements [Backend].
func (c *Client) Do(ctx context.Context, target Node, call Call) (Answer, error) {
	return c.Group().Do(ctx, target, call)
}

// Group is a set of requests. Their paths to different targets share no hop if guards and nodes suffice, so that no
// relay sees two of them. Requests to one target use one path while it works. A Group is safe for concurrent use.
type Group struct {
	client *Client

	mu    waitmutex.Mutex // held while a path is chosen
	paths map[Key][]Node  // by target
}

// Group starts an empty group.
func (c *Client) Group() *Group { return &Group{client: c, paths: make(map[Key][]Node)} }

// Request is [Client.Request] within the group.
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

// detour chooses another path to target than those in tried, apart from all others of the group.
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

// keep makes path the group's path to target, because it has carried an answer.
func (g *Group) keep(target Key, path []Node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.paths[target] = path
}

// drop removes path if it is the group's path to target.
func (g *Group) drop(target Key, path []Node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if slices.Equal(g.paths[target], path) {
		delete(g.paths, target)
	}
}

// pathError is an error that a hop returned in clear instead of an answer (storage-2.0.md section 7.4).
type pathError struct {
	status int
	text   string // the beginning of it
}

func (e *pathError) Error() string { return fmt.Sprintf("a hop answers %d: %q", e.status, e.text) }

// travel sends body to target through exactly these hops, once. Without hops it sends target a request as to a guard.
func (c *Client) travel(ctx context.Context, path []Node, target Node, body []byte) (onion.Response, error) {
	return c.carry(ctx, path, target, body)
}

// Carried is the result of a [Carrier]: the target's answer, and the clock of the first node on the way, zero if it
// does not send it. A Refused of other than 0 is the status with which a hop has answered instead, with Text.
type Carried struct {
	onion.Response
	Clock   time.Time
	Refused int
	Text    string
}

// Carrier takes a request along a path to its target, as an onion request does. Its error wraps
// [storagehttp.ErrUnreachable] if the first node does not answer, or is the cause of ctx.
type Carrier func(ctx context.Context, path []Node, target Node, body []byte) (Carried, error)

// carriedBy is post with a carrier in place of onions and HTTPS.
func (c *Client) carriedBy(carry Carrier) func(context.Context, []Node, Node, []byte) (onion.Response, error) {
	return func(ctx context.Context, path []Node, target Node, body []byte) (onion.Response, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, c.round, errRoundTimeout)
		defer cancel()
		first := append(path[:len(path):len(path)], target)[0]
		sent := c.now()
		carried, err := carry(ctx, path, target, body)
		if err != nil {
			return onion.Response{}, err
		}
		c.overhear(first.Ed25519, carried.Clock, sent)
		if carried.Refused != 0 {
			return onion.Response{}, &pathError{carried.Refused, carried.Text}
		}
		c.overhear(target.Ed25519, clocks.AnswerTime(carried.Status, carried.Body), sent)
		return carried.Response, nil
	}
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
	if ownFault(err) {
		c.noteOwnFault(err)
	}
	if err != nil {
		return onion.Response{}, err
	}
	c.overhear(first.Ed25519, answer.Time(), sent)
	if answer.Status != storage.StatusOK {
		return onion.Response{}, &pathError{answer.Status, string(answer.Body[:min(len(answer.Body), 200)])}
	}
	response, err := request.OpenResponse(answer.Body)
	if err == nil {
		c.overhear(target.Ed25519, clocks.AnswerTime(response.Status, response.Body), sent)
	}
	return response, err
}
