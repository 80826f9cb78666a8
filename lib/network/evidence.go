package network

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sessiontool/lib/onion"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/storagehttp"
	"sessiontool/lib/trace"
	"sessiontool/lib/x25519"
)

// silentAfter is the minimum time for a probed node's answer before the node counts as silent, or [Config].Late if that
// is longer. It has longer if the hop in front of it was slow, see [diagnosis.window].
const silentAfter = 700 * time.Millisecond

// errSilent is the suspicion against a node that does not answer a probe while the hops in front of it do.
var errSilent = errors.New("silent")

// suspicion is the result of a diagnosis. Without a culprit nothing is wrong, or nothing can be concluded.
type suspicion struct {
	culprit Node
	found   bool
	path    []Node // that was examined
	failure error  // of the request that was examined; nil if its answer was merely late
	doubt   bool   // the diagnosis goes on: so far the target does not answer a probe
}

// examine diagnoses a path to target on behalf of the client, and remembers the culprit. It continues after the request
// has ended, but not beyond [Client.Close]. It sends the result to found, and before it a doubt if the target of a late
// answer does not answer a probe; found must have room for both.
//
// Few paths are examined at a time, so that a burst of late requests on a busy machine does not make it busier. Most
// examinations then find that the nodes on their path have answered meanwhile, or that one of them is suspected
// already.
//
// parent is the request's span, which gets the diagnosis; nil if it is not traced. calm ends the examination without a
// result, because the late answer has come over this path.
func (c *Client) examine(parent *trace.Recording, sent sentPath, target Node, failure error,
	found chan<- *suspicion) (calm context.CancelFunc) {
	path, asked := sent.hops, time.Now()
	ctx, calm := context.WithCancel(c.background)
	ctx, span := trace.Start(trace.Join(ctx, parent), trace.SpanDiagnosis,
		trace.Name("guard", path[0].Ed25519), trace.Error(failure))
	c.work.Go(func() {
		defer calm()
		s := &suspicion{path: path, failure: failure}
		defer func() { noteDiagnosis(span, s, target) }()
		if failure == nil {
			select {
			case c.examining <- struct{}{}:
				defer func() { <-c.examining }()
			case <-ctx.Done():
			}
			if s.culprit, s.found = c.suspectOn(sent, target); s.found || c.answeredSince(asked, path, target) ||
				c.answersProbe(ctx, path, target) {
				found <- s
				return
			}
			found <- &suspicion{path: path, doubt: true}
		}
		f := c.diagnose(ctx, path, target, failure)
		s.culprit, s.found = f.culprit, f.found
		if f.struck {
			c.strike(path[0], f.behind)
		}
		if f.found && f.agreed && ctx.Err() == nil {
			why := failure
			if why == nil {
				why = errSilent
			}
			c.markFailed(s.culprit, why)
		}
		span.Set(trace.Bool("agreed", f.agreed))
		found <- s
	})
	return calm
}

// noteDiagnosis records the result of a diagnosis.
func noteDiagnosis(span *trace.Recording, s *suspicion, target Node) {
	if span == nil {
		return
	}
	if s.found {
		span.Set(trace.Name("culprit", s.culprit.Ed25519), trace.String("place", placeOf(s.culprit, s.path, target)))
	}
	span.End(nil)
}

// placeOf names the place of a node on the way to a target.
func placeOf(node Node, path []Node, target Node) string {
	for i, hop := range path {
		switch {
		case hop.Ed25519 != node.Ed25519:
		case i == 0:
			return "guard"
		default:
			return fmt.Sprintf("relay %d", i)
		}
	}
	if node.Ed25519 == target.Ed25519 {
		return "target"
	}
	return ""
}

// examineAtOnce is how many late answers are examined at a time.
const examineAtOnce = 4

// suspectOn returns the first relay of a path that has failed lately, or the guard or the target if it has failed since
// the attempt began. Before that, they were chosen although that was known.
func (c *Client) suspectOn(sent sentPath, target Node) (culprit Node, found bool) {
	path := sent.hops
	c.mu.Lock()
	guardFailed, targetFailed := c.failedAt[path[0].Ed25519].After(sent.at), c.failedAt[target.Ed25519].After(sent.at)
	c.mu.Unlock()
	switch {
	case guardFailed:
		return path[0], true
	case targetFailed:
		return target, true
	}
	for _, hop := range path[1:] {
		if c.Suspect(hop.Ed25519) {
			return hop, true
		}
	}
	return Node{}, false
}

// noteAnswered records that nodes answered.
func (c *Client) noteAnswered(nodes ...Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, node := range nodes {
		c.answeredAt[node.Ed25519] = time.Now()
	}
}

// answeredSince reports whether every node of a path and its target have answered since a time.
func (c *Client) answeredSince(since time.Time, path []Node, target Node) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, node := range append(path[:len(path):len(path)], target) {
		if c.answeredAt[node.Ed25519].Before(since) {
			return false
		}
	}
	return true
}

// finding is the conclusion of a diagnosis. The request should avoid the culprit.
type finding struct {
	culprit Node
	found   bool
	agreed  bool // two guards show the culprit's fault: the client may remember it
	behind  Node // answers through another guard, but not through the path's: speaks against that guard
	struck  bool // behind is set
}

// diagnose returns the node at fault on the way to target. A guard alone shows nothing about others, since it chooses
// what it drops. A relay or the target is at fault if neither the path's guard nor another one has its answer, while
// the hop in front of it answers. A relay is also at fault if the nodes behind it do not answer through another guard
// either. A node that answers through another guard is evidence against the path's guard. A hop's report about others
// is not trusted; but if a hop does not know the next node, the list of nodes may be old. If every hop answers and the
// request failed, nothing is found.
func (c *Client) diagnose(ctx context.Context, path []Node, target Node, failure error) finding {
	// Through a proxy a connection that is cut can be the proxy's fault: the probes tell.
	if errors.Is(failure, storagehttp.ErrUnreachable) && !errors.Is(failure, errRoundTimeout) && !c.proxied {
		return finding{culprit: path[0], found: true, agreed: true}
	}
	if said := (*pathError)(nil); errors.As(failure, &said) && strings.HasPrefix(said.text, onion.TextNextNode) {
		if err := c.Refresh(ctx); err != nil {
			c.log.Info("a hop does not know another, and no seed tells who is right", "error", err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := c.newDiagnosis(ctx, path, target, failure)
	for {
		f, wait := d.evaluate()
		switch {
		case ctx.Err() != nil:
			return finding{}
		case wait == 0:
			return f
		}
		timer := time.NewTimer(wait)
		select {
		case result := <-d.results:
			d.answers[result.at][result.way] = result.probed
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// probesOfLate is how many probes are sent at once over a path whose answer is late, so that one that is lost on the way
// does not begin a diagnosis, which a process that ends waits for.
const probesOfLate = 2

// answersProbe reports whether target answers a probe over a path in time. Then it is only slow for a request.
func (c *Client) answersProbe(ctx context.Context, path []Node, target Node) bool {
	ctx, cancel := context.WithTimeout(ctx, c.lateAfter(probeCall))
	defer cancel()
	var probes sync.WaitGroup
	var answered atomic.Bool
	for range probesOfLate {
		probes.Go(func() {
			if c.tracedProbe(ctx, path, target, "target", wayDirect) == nil {
				answered.Store(true)
				cancel()
			}
		})
	}
	probes.Wait()
	return answered.Load()
}

// tracedProbe is probe with a span of its own.
func (c *Client) tracedProbe(ctx context.Context, hops []Node, node Node, place string, way int) error {
	ctx, span := trace.Start(ctx, trace.SpanProbe, trace.Name(trace.KeyNode, node.Ed25519),
		trace.String("place", place), trace.String("way", wayNames[way]))
	err := c.probe(ctx, hops, node)
	if err != nil && ctx.Err() != nil {
		err = errSilent
	}
	span.End(err)
	return err
}

// probed is the result of a probe, if it has ended.
type probed struct {
	over bool
	err  error
	took time.Duration
}

// The ways of a probe: through the hops in front of the node, through another guard, or through another guard and the
// hop in front of the node.
const (
	wayDirect = iota
	wayAround
	wayPair
	ways
)

// wayNames name the ways in traces.
var wayNames = [ways]string{
	"through the hops in front of it", "through another guard", "through another guard and the hop in front of it",
}

type probeResult struct {
	at, way int
	probed
}

// diagnosis is one diagnose in progress: the nodes of a path and its target, and the evidence on each.
type diagnosis struct {
	nodes   []Node
	started time.Time
	failure error
	results chan probeResult
	answers [][ways]probed
	silent  time.Duration // the minimum time for an answer
	around  []bool        // there is another guard to probe through
	pair    []bool        // and the hop in front is not that guard
}

// newDiagnosis probes every node at once, on all ways.
func (c *Client) newDiagnosis(ctx context.Context, path []Node, target Node, failure error) *diagnosis {
	nodes := append(path[:len(path):len(path)], target)
	d := &diagnosis{
		nodes: nodes, started: time.Now(), failure: failure, results: make(chan probeResult, ways*len(nodes)),
		answers: make([][ways]probed, len(nodes)), around: make([]bool, len(nodes)),
		pair: make([]bool, len(nodes)), silent: max(silentAfter, c.soonest),
	}
	probe := func(at, way int, hops []Node) {
		c.work.Go(func() {
			err := c.tracedProbe(ctx, hops, nodes[at], placeOf(nodes[at], path, target), way)
			d.results <- probeResult{at, way, probed{true, err, time.Since(d.started)}}
		})
	}
	for i := range nodes {
		probe(i, wayDirect, path[:i])
		if other, ok := c.otherGuard(path[0], nodes[i]); ok && i > 0 {
			d.around[i] = true
			probe(i, wayAround, []Node{other})
			if i > 1 && other.Ed25519 != nodes[i-1].Ed25519 {
				d.pair[i] = true
				probe(i, wayPair, []Node{other, nodes[i-1]})
			}
		}
	}
	return d
}

// otherGuard returns a guard that is neither of two nodes.
func (c *Client) otherGuard(guard, node Node) (Node, bool) {
	guards, failed := c.storedGuards()
	for _, other := range append(guards, failed...) {
		if other.Ed25519 != guard.Ed25519 && other.Ed25519 != node.Ed25519 {
			return other, true
		}
	}
	return Node{}, false
}

// window is how long the node at a place has for its answer: longer than the hop in front of it took.
func (d *diagnosis) window(at int) time.Duration {
	if at == 0 {
		return 2 * d.silent
	}
	return max(d.silent, 4*d.answers[at-1][wayDirect].took)
}

// evaluate judges the evidence. wait is how long more evidence may arrive; 0 means that the judgement is final.
func (d *diagnosis) evaluate() (f finding, wait time.Duration) {
	for at := range d.nodes {
		direct := d.answers[at][wayDirect]
		if direct.over && direct.err == nil {
			continue
		}
		left := max(d.window(at)-time.Since(d.started), 0)
		if !direct.over && left > 0 {
			return finding{}, left
		}
		if at == 0 || !d.around[at] {
			return finding{culprit: d.nodes[at], found: true, agreed: at == 0}, 0
		}
		switch around := d.answers[at][wayAround]; {
		case !around.over && left > 0:
			return finding{}, left
		case !around.over || around.err != nil:
			return finding{culprit: d.nodes[at], found: true, agreed: true}, 0
		}
		guilty := finding{culprit: d.nodes[0], found: true, behind: d.nodes[at], struck: true}
		switch pair := d.answers[at][wayPair]; {
		case !d.pair[at]:
			return guilty, 0
		case !pair.over && left > 0:
			return finding{}, left
		case !pair.over || pair.err != nil: // it does not pass on the answer of the node behind it
			return finding{culprit: d.nodes[at-1], found: true, agreed: true}, 0
		}
		return guilty, 0
	}
	return finding{behind: d.nodes[len(d.nodes)-1], struck: d.failure != nil}, 0
}

// probeCall is the call as which probes count.
var probeCall = Call{Method: storage.MethodSwarm}

// probe sends a node a harmless question through the hops before it. The swarm of a random Session ID does not identify
// the client, and any answer proves that the node is reachable.
func (c *Client) probe(ctx context.Context, path []Node, node Node) error {
	var key x25519.PublicKey
	c.mu.Lock()
	for i := range key {
		key[i] = byte(c.rng.Uint32())
	}
	c.mu.Unlock()
	body, err := storage.NewRequest(storage.MethodSwarm,
		rpc20.SwarmParams{PubKey: sessionid.FromPublicKey(key).String()})
	if err != nil {
		return err
	}
	started := time.Now()
	answer, err := c.travel(ctx, path, node, body)
	if err == nil {
		c.noteAnswered(append(path[:len(path):len(path)], node)...)
		c.log.Debug("node answers", "method", storage.MethodSwarm, "path", pathProbe, "hops", len(path),
			"ms", milliseconds(time.Since(started)), "status", answer.Status, "node", node.Ed25519)
	}
	return err
}

// errTarget reports that target is at fault.
func errTarget(target Node, why error) error {
	return fmt.Errorf("%w: %s: %w", ErrTarget, target.Ed25519, why)
}
