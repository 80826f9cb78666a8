//go:build unix

package simulation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/lib/network"
	"sessiontool/lib/node"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/storagehttp"
	"sessiontool/lib/storage/syncroute"
)

const (
	// latency is the least time of one way of a link, and jitter what is added at most.
	latency = 5 * time.Millisecond
	jitter  = 20 * time.Millisecond
	// hopTimeout is how long a relay waits for the next one.
	hopTimeout = 10 * time.Second
)

// wire is the network between machines and nodes. TLS and onion layers are left out: it hands the bytes of requests
// inside them to the handlers of real nodes, and breaks them as a network and its relays do.
type wire struct {
	world *world

	mu     sync.Mutex
	cut    map[[2]int]int // links that are cut, and how often
	loss   int            // of 100 messages
	double int            // of 100 requests arrive twice
	slow   time.Duration
	seen   map[string]int // requests so far, by what they are: see draws
}

func newWire(w *world) *wire {
	return &wire{world: w, cut: make(map[[2]int]int), seen: make(map[string]int)}
}

func linkOf(a, b int) [2]int { return [2]int{min(a, b), max(a, b)} }

// change changes the wire under its lock.
func (x *wire) change(do func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	do()
}

// draws returns the random numbers of a request, from what it is and how many like it came before. So the order in which
// requests of the same instant are made does not change them.
func (x *wire) draws(request string) *rand.Rand {
	x.mu.Lock()
	x.seen[request]++
	n := x.seen[request]
	x.mu.Unlock()
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %d", x.world.schedule.Seed, request, n))
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])))
}

// leg draws the time of one message over a link, and whether it is lost.
func (x *wire) leg(random *rand.Rand, from, to int) (took time.Duration, lost bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	took = latency + time.Duration(random.Int64N(int64(jitter))) + x.slow
	lost = random.IntN(100) < x.loss
	return took, lost || x.cut[linkOf(from, to)] > 0
}

// doubled draws whether a request arrives twice.
func (x *wire) doubled(random *rand.Rand) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return random.IntN(100) < x.double
}

// sleep waits, or returns the cause of ctx.
func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// serve lets a node answer a request.
func serve(ctx context.Context, n *node.Node, path string, header http.Header, body []byte) (status int, text []byte) {
	request := (&http.Request{
		Method: http.MethodPost, URL: &url.URL{Scheme: "https", Host: "node", Path: path}, Host: "node", RequestURI: path,
		RemoteAddr: "10.0.0.1:1", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: maps.Clone(header),
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}).WithContext(ctx)
	if request.Header == nil {
		request.Header = make(http.Header)
	}
	w := &writer{header: make(map[string][]string)}
	defer func() {
		if failure := recover(); failure != nil {
			if failure != http.ErrAbortHandler {
				panic(failure)
			}
			status, text = 0, nil
		}
	}()
	n.ServeHTTP(w, request)
	return w.status, w.body.Bytes()
}

func (w *writer) Header() http.Header { return w.header }

func (w *writer) WriteHeader(status int) { w.status = status }

func (w *writer) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.body.Write(b)
}

// answered is what a node has answered; status 0 means that the connection broke.
type answered struct {
	status int
	text   []byte
}

// handle gives a request to a node. The answer comes over the channel, unless the node is killed meanwhile.
func (m *machine) handle(path string, header http.Header, body []byte) <-chan answered {
	result := make(chan answered, 1)
	m.mu.Lock()
	running, epoch := m.node, m.epoch
	dies, before, lived := false, false, m.life
	if running != nil {
		if m.kill.At > 0 && m.kill.Of == "request" {
			m.kill.At--
			dies, before = m.kill.At == 0, m.unheard
		}
		m.serving.Add(1)
	}
	m.mu.Unlock()
	if running == nil {
		result <- answered{}
		return result
	}
	go func() {
		if dies && before {
			m.serving.Done()
			lived.die()
			result <- answered{}
			return
		}
		status, text := serve(context.Background(), running, path, header, body)
		m.serving.Done()
		if dies {
			lived.die()
		}
		if _, now := m.running(); now != epoch {
			status = 0
		}
		result <- answered{status, text}
	}()
	return result
}

// byKey returns the node of a client's entry.
func (w *world) byKey(key network.Key) *machine {
	for _, m := range w.nodes {
		if m.key == key {
			return m
		}
	}
	return nil
}

func unreachable(why string) error { return fmt.Errorf("%w: %s", storagehttp.ErrUnreachable, why) }

// carry is the [network.Carrier] of a program.
func (p *program) carry(ctx context.Context, path []network.Node, target network.Node,
	body []byte) (network.Carried, error) {
	dying, err := p.step("request")
	if err != nil {
		return network.Carried{}, unreachable(err.Error())
	}
	if dying {
		defer p.die() // the bytes have left the machine
	}
	w := p.world
	w.count("requests", 1)
	w.model.leaves(p, body)
	nodes := append(path[:len(path):len(path)], target)
	way := p.name + " " + gjson.GetBytes(body, "method").Str
	for _, hop := range nodes {
		way += fmt.Sprint(" ", w.byKey(hop.Ed25519).index)
	}
	random := w.wire.draws(way)
	var forward, back time.Duration
	at := p.person.index
	for i, hop := range nodes {
		next := w.byKey(hop.Ed25519)
		there, lostThere := w.wire.leg(random, at, nodeBase+next.index)
		home, lostHome := w.wire.leg(random, at, nodeBase+next.index)
		forward, back = forward+there, back+home
		running, _ := next.running()
		if i == 0 && hop.IP != next.ip { // nothing is there any more; relays know the present address
			running = nil
		}
		hangs := time.Duration(next.hangs.Load())
		forward += hangs
		switch {
		case lostThere && i == 0, lostHome && i == 0 && len(nodes) > 1:
			return network.Carried{}, p.silence(ctx)
		case lostThere, lostHome && i < len(nodes)-1:
			return p.refused(ctx, forward+back+hopTimeout, storage.StatusTimeout, onion.TextTimeout)
		case i < len(nodes)-1 && next.mood() == moodDrops:
			return p.refused(ctx, forward+back, storage.StatusTimeout, onion.TextTimeout)
		case running == nil && i == 0:
			if err := p.sleep(ctx, forward+back); err != nil {
				return network.Carried{}, err
			}
			return network.Carried{}, unreachable("connection refused")
		case i > 0 && !next.listed:
			return p.refused(ctx, forward+back, storage.StatusBadGateway, onion.TextNextNode+hop.Ed25519.String())
		case running == nil, hangs >= hopTimeout && i > 0:
			return p.refused(ctx, min(forward+back, hopTimeout), storage.StatusTimeout, onion.TextTimeout)
		}
		if i == len(nodes)-1 {
			return p.arrive(ctx, next, body, forward, back, lostHome, i == 0, w.wire.doubled(random))
		}
		at = nodeBase + next.index
	}
	return network.Carried{}, errors.New("a path without nodes")
}

// arrive hands a request to its target.
func (p *program) arrive(ctx context.Context, target *machine, body []byte, forward, back time.Duration, lost, first,
	twice bool) (network.Carried, error) {
	if err := p.sleep(ctx, forward); err != nil {
		return network.Carried{}, err
	}
	if target.mood() == moodSlow {
		if err := p.sleep(ctx, 8*time.Second); err != nil {
			return network.Carried{}, err
		}
	}
	body, forged := target.meets(body)
	var answer answered
	if forged != nil {
		answer = *forged
	} else {
		if twice {
			p.world.count("requests that arrive twice", 1)
			p.world.after(back, func() { <-target.handle(storage.RPCPath, nil, body) })
		}
		select {
		case answer = <-target.handle(storage.RPCPath, nil, body):
		case <-ctx.Done():
			return network.Carried{}, context.Cause(ctx)
		case <-p.killed:
			return network.Carried{}, unreachable(errDead.Error())
		}
	}
	answer = target.answers(body, answer)
	switch {
	case lost && first:
		return network.Carried{}, p.silence(ctx)
	case lost:
		return p.refused(ctx, back+hopTimeout, storage.StatusTimeout, onion.TextTimeout)
	case answer.status == 0 && first:
		if err := p.sleep(ctx, back); err != nil {
			return network.Carried{}, err
		}
		return network.Carried{}, unreachable("connection closed")
	case answer.status == 0:
		return p.refused(ctx, back, storage.StatusTimeout, onion.TextTimeout)
	}
	if err := p.sleep(ctx, back); err != nil {
		return network.Carried{}, err
	}
	clock := target.now()
	if target.mood() == moodClock {
		clock = clock.Add(-3 * time.Hour)
	}
	return network.Carried{
		Response: onion.Response{Status: answer.status, Body: string(answer.text)}, Clock: clock,
	}, nil
}

// silence waits until the caller gives up.
func (p *program) silence(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.killed:
		return unreachable(errDead.Error())
	}
}

// refused is the answer of a hop about the next one.
func (p *program) refused(ctx context.Context, wait time.Duration, status int, text string) (network.Carried, error) {
	if err := p.sleep(ctx, wait); err != nil {
		return network.Carried{}, err
	}
	return network.Carried{Refused: status, Text: text}, nil
}

// sleep waits for the network. A killed program waits no longer.
func (p *program) sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.killed:
		return unreachable(errDead.Error())
	}
}

// seedTransport answers a client's requests to seeds.
type seedTransport struct{ program *program }

// RoundTrip implements [http.RoundTripper].
func (x *seedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	p := x.program
	if dying, err := p.step("seed"); err != nil {
		return nil, err
	} else if dying {
		p.die()
		return nil, errDead
	}
	if request.Body != nil {
		if err := request.Body.Close(); err != nil {
			return nil, err
		}
	}
	there, lost := p.world.wire.leg(p.world.wire.draws(p.name+" "+request.URL.Host), p.person.index, 2*nodeBase)
	if lost {
		return nil, p.silence(request.Context())
	}
	if err := p.sleep(request.Context(), 2*there); err != nil {
		return nil, err
	}
	list, err := p.world.list.Nodes(request.Context(), "")
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{"result": list})
	header := http.Header{"Date": {p.world.now().UTC().Format(http.TimeFormat)}}
	return response(request, http.StatusOK, header, body), err
}

func response(request *http.Request, status int, header http.Header, body []byte) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: request,
	}
}

// peerTransport carries the requests of a node to the others.
type peerTransport struct {
	world *world
	from  *machine
	epoch int
}

// RoundTrip implements [http.RoundTripper].
func (x *peerTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	body, err := io.ReadAll(request.Body)
	if err = errors.Join(err, request.Body.Close()); err != nil {
		return nil, err
	}
	var to *machine
	for _, m := range x.world.nodes {
		if m.address == request.URL.Hostname() {
			to = m
		}
	}
	if to == nil {
		return nil, fmt.Errorf("no node is called %s", request.URL.Hostname())
	}
	gone := func() bool { _, now := x.from.running(); return now > x.epoch }
	random := x.world.wire.draws(fmt.Sprint("peer ", x.from.index, " ", to.index, " ", request.URL.Path))
	there, lostThere := x.world.wire.leg(random, nodeBase+x.from.index, nodeBase+to.index)
	back, lostBack := x.world.wire.leg(random, nodeBase+x.from.index, nodeBase+to.index)
	if gone() || lostThere {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	if err := sleep(ctx, there); err != nil {
		return nil, err
	}
	x.world.count("requests between nodes", 1)
	if x.world.wire.doubled(random) {
		x.world.after(back, func() { <-to.handle(request.URL.Path, request.Header, body) })
	}
	var answer answered
	select {
	case answer = <-to.handle(request.URL.Path, request.Header, body):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if lostBack {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	if err := sleep(ctx, back); err != nil {
		return nil, err
	}
	if answer.status == 0 || gone() {
		return nil, errors.New("connection refused")
	}
	return response(request, answer.status, http.Header{}, answer.text), nil
}

// stored returns recipient and data of a request that gives a message away.
func stored(body []byte) (owner, data string, ok bool) {
	method := gjson.GetBytes(body, "method").Str
	if method != storage.MethodStore && method != syncroute.MethodDeliver {
		return "", "", false
	}
	params := gjson.GetBytes(body, "params")
	owner, data = params.Get("pubKey").Str, params.Get("data").Str
	if owner == "" {
		owner = params.Get("pubkey").Str
	}
	return strings.ToLower(owner), data, data != ""
}
