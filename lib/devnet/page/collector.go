package page

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"sessiontool/lib/devnet"
	"sessiontool/lib/node"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/syncroute"
)

// kind is what a moving dot or a flash on the page stands for. The script has the same numbers.
type kind uint8

const (
	kindEnter     kind = iota // a client's request reaches its first node
	kindOnion                 // an onion request goes from node to node
	kindLost                  // the next hop has not answered
	kindStored                // a client's message is on disk
	kindReplica               // messages go from member to member
	kindRetrieved             // a client has retrieved messages
	kindListened              // a listener has been answered
	kindDelivered             // a message has been delivered to a listener
	kindOther                 // another request was answered
	kindRefused               // a request was refused
	kinds
)

// perFrame bounds the edges of a frame, by kind. What is beyond is counted and not shown.
var perFrame = [kinds]int{
	kindEnter: 24, kindOnion: 60, kindLost: 24, kindStored: 24, kindReplica: 40, kindRetrieved: 16, kindListened: 12,
	kindDelivered: 16, kindOther: 8, kindRefused: 16,
}

const (
	// client stands for the side of an edge that is no node.
	client = -1
	// stranger stands for a node that the last inspection did not find.
	stranger = -2
)

// edge is something that moves from a node to a node, or happens at one node.
type edge struct {
	kind     kind
	from, to int16
	hop      uint8
}

// counted is an edge with the number of times that it occurred in a frame.
type counted struct {
	edge
	times uint32
}

// frame is what happened in one frameInterval.
type frame struct {
	at     map[edge]int // index in edges
	edges  []counted
	shown  [kinds]int
	counts [kinds]uint32
}

func (f *frame) add(e edge, times int) {
	f.counts[e.kind] += uint32(times)
	if i, ok := f.at[e]; ok {
		f.edges[i].times += uint32(times)
		return
	}
	if f.shown[e.kind] >= perFrame[e.kind] {
		return
	}
	if f.at == nil {
		f.at = make(map[edge]int)
	}
	f.shown[e.kind]++
	f.at[e] = len(f.edges)
	f.edges = append(f.edges, counted{e, uint32(times)})
}

// collector collects the events of a network, inspects it every second, and sends frames to the open pages.
type collector struct {
	source Source
	now    func() time.Time
	log    *slog.Logger
	poked  chan struct{} // holds a token if the network is to be inspected at once

	mu       sync.Mutex
	view     *view
	frame    frame
	followed followed
	history  history
	streams  map[*stream]struct{}
	closed   bool
	failing  bool // the last inspection has failed
}

// newCollector inspects the network for the first time.
func newCollector(source Source, now func() time.Time, log *slog.Logger) (*collector, error) {
	state, err := source.Inspect()
	if err != nil {
		return nil, err
	}
	return &collector{
		source: source, now: now, log: log, poked: make(chan struct{}, 1), view: newView(state, nil),
		streams: make(map[*stream]struct{}),
	}, nil
}

// served is the kind of an answered storage request, by method. A store has its own event.
var served = map[string]kind{
	storage.MethodRetrieve: kindRetrieved, syncroute.MethodListen: kindListened, syncroute.MethodDeliver: kindDelivered,
}

// add takes an event of node i. It is called by the goroutines that serve requests.
func (c *collector) add(i int, e node.Event) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if i >= len(c.view.nodes) {
		return // it has joined since the last inspection
	}
	at := int16(i)
	hop := uint8(min(e.Hop, 15))
	switch e.Kind {
	case node.EventRelayed:
		c.enter(at, hop)
		c.between(edge{kindOnion, at, c.view.find(e.Peer), hop}, 1)
	case node.EventExited:
		c.enter(at, hop)
	case node.EventLost:
		c.between(edge{kindLost, at, c.view.find(e.Peer), hop}, 1)
	case node.EventStored:
		c.frame.add(edge{kindStored, at, at, 0}, 1)
		c.follow(e.Hashes, i, client, now)
	case node.EventReplicated:
		from := c.view.find(e.Peer)
		c.between(edge{kindReplica, from, at, 0}, max(e.Count, 1))
		c.follow(e.Hashes, i, int(from), now)
	case node.EventServed:
		c.served(at, e)
	}
}

// enter shows the arrival of a client's request at its first node.
func (c *collector) enter(at int16, hop uint8) {
	if hop == 0 {
		c.frame.add(edge{kindEnter, client, at, 0}, 1)
	}
}

// between adds an edge unless one of its nodes is not known yet.
func (c *collector) between(e edge, times int) {
	if e.from >= 0 && e.to >= 0 {
		c.frame.add(e, times)
	}
}

func (c *collector) served(at int16, e node.Event) {
	kind, ok := served[e.Method]
	switch {
	case e.Status >= 400:
		kind = kindRefused
	case e.Method == storage.MethodStore:
		return
	case !ok:
		kind = kindOther
	}
	to := at
	if kind == kindDelivered {
		to = client
	}
	c.frame.add(edge{kind, at, to, 0}, 1)
}

func (c *collector) follow(hashes []string, i, from int, now time.Time) {
	for _, hash := range hashes {
		c.followed.add(hash, i, from, now, c.view)
	}
}

// run inspects the network and sends frames until ctx ends.
func (c *collector) run(ctx context.Context) {
	ticker := time.NewTicker(frameInterval)
	defer ticker.Stop()
	var due, second time.Time
	for {
		poked := false
		select {
		case <-ctx.Done():
			return
		case <-c.poked:
			poked = true
		case <-ticker.C:
		}
		now := c.now()
		if poked || !now.Before(due) {
			due = now.Add(c.inspect())
		}
		newSecond := now.Sub(second) >= time.Second
		if newSecond {
			second = now
		}
		c.send(now, newSecond)
	}
}

// poke makes run inspect the network at once.
func (c *collector) poke() {
	select {
	case c.poked <- struct{}{}:
	default:
	}
}

// inspect inspects the network and returns the time until the next inspection.
func (c *collector) inspect() time.Duration {
	began := c.now()
	state, err := c.source.Inspect()
	took := c.now().Sub(began)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && !c.failing {
		c.log.Warn("inspecting the network", "error", err)
	}
	if c.failing = err != nil; !c.failing {
		c.adopt(state)
	}
	interval := inspectInterval
	if len(c.streams) == 0 {
		interval = idleInspect
	}
	return max(interval, inspectShare*took)
}

// adopt makes a state the present one, and marks what has changed in the history. The caller holds mu.
func (c *collector) adopt(state devnet.Inspection) {
	fresh := newView(state, c.view)
	for _, text := range fresh.changesSince(c.view) {
		c.history.mark(c.now(), text)
	}
	if fresh.topology != c.view.topology {
		c.frame, c.followed = frame{}, followed{} // they have the places of before
	}
	c.view = fresh
}

// send sends what happened since the last frame to all streams.
func (c *collector) send(now time.Time, newSecond bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.frame
	c.frame = frame{}
	c.history.add(now, &f, c.view)
	if len(c.streams) == 0 {
		c.view.sent()
		c.followed.sent()
		c.history.sent()
		return
	}
	if len(f.edges) == 0 && !newSecond && !c.view.changed() && !c.followed.changed() {
		return
	}
	message := eventText("tick", c.tick(now, &f))
	for s := range c.streams {
		if !s.push(message) {
			c.drop(s)
		}
	}
}

// stream is the connection of one open page.
type stream struct {
	frames chan []byte // closed when the stream is to end
}

// streamBuffer is the number of frames that a client may be behind. A slower one is cut off and connects again.
const streamBuffer = 32

// push returns false if the client is too slow.
func (s *stream) push(message []byte) bool {
	select {
	case s.frames <- message:
		return true
	default:
		return false
	}
}

// open makes a stream, whose first frame is the whole state. It returns nil if there are too many.
func (c *collector) open() *stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.streams) >= maxStreams {
		return nil
	}
	s := &stream{make(chan []byte, streamBuffer)}
	s.frames <- eventText("hello", c.hello(c.now()))
	c.streams[s] = struct{}{}
	return s
}

// drop ends a stream. The caller holds mu.
func (c *collector) drop(s *stream) {
	if _, open := c.streams[s]; open {
		delete(c.streams, s)
		close(s.frames)
	}
}

// leave ends a stream whose client is gone.
func (c *collector) leave(s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(s)
}

// close ends all streams and refuses new ones.
func (c *collector) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for s := range c.streams {
		c.drop(s)
	}
}

// present returns the present view, which never changes but for what was sent of it.
func (c *collector) present() *view {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view
}
