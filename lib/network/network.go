// Package network is a client's view of the service node network: the node list from the seeds, the swarm of a Session
// ID, the guards, and onion requests over three hops to any node.
//
// It promises that a target never learns the client's address: requests always travel through a guard and two relays,
// none of which is the target. Guards are kept between runs. A failing node is found and left out for a while. Only
// seeds can introduce nodes: a node's answer about swarms counts only as far as it names registered nodes. The state
// between runs is a cache: no request fails because its file is lost, damaged or cannot be written.
package network

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"sessiontool/lib/internal/waitmutex"
	"sessiontool/lib/network/clocks"
	"sessiontool/lib/network/latency"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/storagehttp"
	"sessiontool/lib/storage/tickets"
)

// Errors of this package. All but [ErrBadNetwork] are worth a retry. If this machine or its proxy is at fault, an error
// wraps [storagehttp.ErrProxy] or [storagehttp.ErrNoIPv4], too: no seed and no node is blamed then.
var (
	ErrNoSeed       = errors.New("no seed answers")
	ErrTooFewNodes  = errors.New("too few service nodes for an onion path")
	ErrNoPath       = errors.New("no onion path works")
	ErrTarget       = errors.New("service node does not answer")
	ErrNoSwarm      = errors.New("no service node tells the swarm")
	ErrNoTime       = errors.New("the network gives no time")
	ErrNoGeneration = errors.New("no service node tells which storage rpc it speaks")
	ErrBadNetwork   = errors.New("network cannot be used")
)

// Config configures a [Client]. Seeds, Random and Now are required.
type Config struct {
	Seeds []string // http or https URLs, at least one
	// Pins are the SHA-256 digests of the certificates of seeds, by URL as in Seeds. Other certificates are checked as
	// usual.
	Pins         map[string][sha256.Size]byte
	Generation   storage.Generation // empty: ask the nodes
	StateFile    string             // stores nodes, guards and swarms; empty: no file
	KeepState    bool               // the file is read and never written
	OnionVersion onion.Version      // zero: onion.V2
	OnionCipher  onion.Cipher       // onion.AESGCM, as all clients used to seal, or onion.XChaCha20
	Random       io.Reader          // safe for concurrent use
	Now          func() time.Time
	SinceBoot    func() (since time.Duration, known bool) // how long the machine runs; nil: [clocks.SinceBoot]
	Log          *slog.Logger                             // nil: no log
	// Late is the minimum time before an answer is late, however quick others were; 0 means 200 ms.
	Late  time.Duration
	Dial  storagehttp.DialFunc // opens connections to guards and seeds; nil: those of storagehttp.NewClient
	Proxy storagehttp.Proxy    // for all connections to guards and seeds

	// Transport and Carry replace HTTPS and onion requests, for simulations of the network. Nil in production.
	// Transport makes the requests to seeds, and those to nodes that need no path. Carry takes a request along a path
	// to its target: see [Carrier].
	Transport http.RoundTripper
	Carry     Carrier
}

// Client is a client of one network. It is safe for concurrent use.
type Client struct {
	seeds      []string
	generation storage.Generation // empty while it is unknown
	version    onion.Version
	cipher     onion.Cipher
	random     io.Reader
	// post, but in tests
	carry func(ctx context.Context, path []Node, target Node, body []byte) (onion.Response, error)
	now   func() time.Time
	// how long this machine runs
	sinceBoot func() (time.Duration, bool)
	log       *slog.Logger
	http      *storagehttp.Client
	// TLS sessions with guards
	tickets *tickets.Cache
	round   time.Duration // for one onion request
	trial   time.Duration // for the answer of a candidate for a guard

	// work has the diagnoses, which outlive their requests. They end when background does.
	background context.Context
	stop       context.CancelFunc
	work       sync.WaitGroup
	lookups    sync.WaitGroup // of swarms that are expected; they end in the same way
	ahead      lookahead
	// examining has room for the examinations of late answers.
	examining chan struct{}

	seedsMu  waitmutex.Mutex // held while seeds are asked, so that concurrent requests ask once
	doubts   []time.Time     // when nodes contradicted the list; under seedsMu
	guardsMu waitmutex.Mutex // held while guards are chosen, likewise
	clockMu  waitmutex.Mutex // held while doubt about the clock is cleared, likewise
	cutOffAt time.Time       // when no candidate for a guard answered last; under guardsMu

	mu         sync.Mutex
	state      state
	index      map[Key]int // into state.Nodes
	rng        *rand.Rand
	refreshing bool         // see refreshBeside
	askedAt    time.Time    // when this run last asked the seeds, with or without success
	overheard  map[Key]bool // nodes that have raised doubt about the clock in this run
	file       stateFile
	soonest    time.Duration     // when an answer is late at the earliest
	answeredAt map[Key]time.Time // when nodes last answered in this run
	failedAt   map[Key]time.Time // and when they were found to fail
	samples    latency.Samples   // answer times of this run by method
	spares     spares            // bound what is sent because answers are late

	proxied bool  // connections go through a proxy
	fault   error // the last one of this machine or its proxy, or nil
	faultAt time.Time
}

// New makes a client. It reads the state file but sends nothing. The error wraps [ErrBadNetwork], or is Random's.
func New(config Config) (*Client, error) {
	if len(config.Seeds) == 0 {
		return nil, fmt.Errorf("%w: it names no seed", ErrBadNetwork)
	}
	c := &Client{
		generation: config.Generation, version: config.OnionVersion, cipher: config.OnionCipher, random: config.Random,
		now: config.Now, log: config.Log,
		http: storagehttp.NewClientOver(config.Dial, config.Proxy), round: roundTimeout, trial: guardTimeout,
		file:      stateFile{path: config.StateFile},
		examining: make(chan struct{}, examineAtOnce), answeredAt: make(map[Key]time.Time), failedAt: make(map[Key]time.Time),
		overheard: make(map[Key]bool), samples: make(latency.Samples), soonest: config.Late,
		proxied: !config.Proxy.IsZero(), sinceBoot: clocks.SinceBoot,
	}
	switch {
	case config.SinceBoot != nil:
		c.sinceBoot = config.SinceBoot
	case config.Carry != nil: // in a simulation the machine says nothing
		c.sinceBoot = func() (time.Duration, bool) { return 0, false }
	}
	c.carry = c.post
	if config.Carry != nil {
		c.carry = c.carriedBy(config.Carry)
	}
	if c.soonest == 0 {
		c.soonest = latency.Soonest
	}
	if config.Transport != nil {
		c.http = storagehttp.NewClientThrough(config.Transport)
	}
	if c.version == 0 {
		c.version = onion.V2
	}
	if c.cipher != onion.AESGCM && (c.cipher != onion.XChaCha20 || c.version != onion.V2) {
		return nil, fmt.Errorf("%w: %w: %.20q", ErrBadNetwork, onion.ErrCipher, c.cipher)
	}
	if c.version.Path() == "" {
		return nil, fmt.Errorf("%w: %w: %d", ErrBadNetwork, onion.ErrVersion, int(c.version))
	}
	if c.generation != "" && !c.generation.Known() {
		return nil, fmt.Errorf("%w: generation %.20q is neither 2.0 nor 2.8", ErrBadNetwork, c.generation)
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	for _, text := range config.Seeds {
		url, err := seedURL(text)
		if err != nil {
			return nil, err
		}
		c.seeds = append(c.seeds, url)
		if pin, ok := config.Pins[text]; ok {
			c.http.PinSeed(url, pin)
		}
	}
	var seed [32]byte
	if _, err := io.ReadFull(config.Random, seed[:]); err != nil {
		return nil, err
	}
	c.rng = rand.New(rand.NewChaCha8(seed))
	c.state = c.file.load()
	if config.KeepState {
		c.file.path = ""
	}
	c.keepSessions()
	c.state.Doubt = c.state.Doubt || !c.sureOffset()
	c.reindex()
	c.background, c.stop = context.WithCancel(context.Background())
	return c, nil
}

// closeGrace is how long Close waits for diagnoses: their results save the next process the same delay.
const closeGrace = 2*silentAfter + latency.Soonest

// Settle waits for the diagnoses under way, and stops them after patience. No request may be in flight, and none may
// follow.
func (c *Client) Settle(patience time.Duration) {
	grace := time.AfterFunc(patience, c.stop)
	defer grace.Stop()
	c.work.Wait()
}

// Close stores the state and closes connections. It always returns nil: see save. No request may be in flight.
func (c *Client) Close() error {
	c.Settle(closeGrace)
	c.stop()
	c.lookups.Wait()
	c.http.Close()
	c.mu.Lock()
	c.state.Answers = c.samples.Keep(c.state.Answers)
	c.mu.Unlock()
	c.save()
	if err := c.tickets.Save(); err != nil {
		c.log.Info("cannot keep the TLS sessions with guards", "error", err)
	}
	return nil
}

// keepSessions makes guards known by the TLS sessions of earlier runs, unless a proxy hides this machine from them.
// Without a state, which has the guards, there is nothing to keep.
func (c *Client) keepSessions() {
	path := ""
	if c.file.path != "" && !c.proxied {
		path = strings.TrimSuffix(c.file.path, ".json") + ".tls"
	}
	c.tickets = tickets.New(path, c.now)
	c.http.KeepSessions(c.tickets)
}

// save stores the state. A failure is logged once and is not an error, since the network has already done its work.
func (c *Client) save() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.forget(c.now())
	if err := c.file.save(c.state); err != nil {
		c.log.Warn("cannot remember what is known of the network", "error", err)
	}
}

// Difficulty returns the last known proof-of-work difficulty, at least 1.
func (c *Client) Difficulty() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(c.state.Difficulty, 1)
}

// SetDifficulty stores the difficulty that a node asked for.
func (c *Client) SetDifficulty(difficulty int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Difficulty = difficulty
}
