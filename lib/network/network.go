// Package network is a client's view of the service node network: the node list from the seeds, the swarm of a
// Session ID, the guards, and onion requests over three hops to any node.
//
// It promises that a target never learns who asks (requests always travel through a guard and two relays, none of
// which is the target), that guards are kept between runs, that a node which fails is found and left out for a
// while, and that nobody but the seeds can introduce nodes: what a node says about swarms counts only as far as it
// names registered nodes. What is kept between runs is a cache: a file that is lost, spoilt or cannot be written makes
// no request fail.
package network

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/storagehttp"
)

// Errors of this package. All but ErrBadNetwork are worth a retry.
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

// Config is what a Client needs to know. Seeds, Random and Now are required.
type Config struct {
	Seeds []string // http or https URLs, at least one
	// Pins are the SHA-256 digests of the certificates that seeds, by URL as it stands in Seeds, must show. Others are
	// checked like any web site's.
	Pins         map[string][sha256.Size]byte
	Generation   storage.Generation // empty: the nodes are asked
	StateFile    string             // where to remember nodes, guards and swarms; empty: nowhere
	OnionVersion onion.Version      // zero: onion.V2
	OnionCipher  onion.Cipher       // onion.AESGCM, as all clients used to seal, or onion.XChaCha20
	Random       io.Reader          // safe for concurrent use
	Now          func() time.Time
	Log          *slog.Logger // nil: nothing is logged
	// Late is when an answer is late at the earliest, however quick others were; 0 means 200 ms.
	Late time.Duration
	Dial storagehttp.DialFunc // opens connections to guards and seeds; nil: those of storagehttp.NewClient
}

// Client is safe for concurrent use.
type Client struct {
	seeds      []string
	generation storage.Generation // empty if nobody said it
	version    onion.Version
	cipher     onion.Cipher
	random     io.Reader
	carry      func(ctx context.Context, path []Node, target Node, body []byte) (onion.Response, error) // post, but in tests
	now        func() time.Time
	log        *slog.Logger
	http       *storagehttp.Client
	round      time.Duration // for one onion request

	// work are diagnoses, which outlive the requests that gave rise to them. They end when background does.
	background context.Context
	stop       context.CancelFunc
	work       sync.WaitGroup
	// examining has room for those that examine late answers.
	examining chan struct{}

	seedsMu  sync.Mutex  // held while seeds are asked, so that several requests in need ask once
	doubts   []time.Time // when nodes contradicted the list; under seedsMu
	guardsMu sync.Mutex  // held while guards are chosen, likewise
	clockMu  sync.Mutex  // held while doubt about the clock is cleared, likewise
	cutOffAt time.Time   // when no candidate for a guard answered last; under guardsMu

	mu         sync.Mutex
	state      state
	index      map[Key]int // into state.Nodes
	rng        *rand.Rand
	askedAt    time.Time    // when this run last asked the seeds, whatever came of it
	overheard  map[Key]bool // nodes that have raised doubt about the clock in this run
	file       stateFile
	soonest    time.Duration              // when an answer is late at the earliest
	answeredAt map[Key]time.Time          // when nodes were there last, in this run
	samples    map[string][]time.Duration // answer times of this run by method
}

// New makes a client. It reads the state file but sends nothing yet. The error wraps ErrBadNetwork, or is Random's.
func New(config Config) (*Client, error) {
	if len(config.Seeds) == 0 {
		return nil, fmt.Errorf("%w: it names no seed", ErrBadNetwork)
	}
	c := &Client{
		generation: config.Generation, version: config.OnionVersion, cipher: config.OnionCipher, random: config.Random, now: config.Now, log: config.Log,
		http: storagehttp.NewClient(), round: roundTimeout, file: stateFile{path: config.StateFile},
		examining: make(chan struct{}, examineAtOnce), answeredAt: make(map[Key]time.Time),
		overheard: make(map[Key]bool), samples: make(map[string][]time.Duration), soonest: config.Late,
	}
	c.carry = c.post
	if c.soonest == 0 {
		c.soonest = lateSoonest
	}
	if config.Dial != nil {
		c.http = storagehttp.NewClientOver(config.Dial)
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
	c.state.Doubt = c.state.Doubt || c.state.OffsetMS != 0 && !within(c.now(), c.state.OffsetAt, sureFor)
	c.reindex()
	c.background, c.stop = context.WithCancel(context.Background())
	return c, nil
}

// closeGrace is what a diagnosis gets to come to its end: what it finds saves the next process the same delay.
const closeGrace = 2*silentAfter + lateSoonest

// Close remembers what was learned and drops connections. It always returns nil: see save. No request may be under way.
func (c *Client) Close() error {
	grace := time.AfterFunc(closeGrace, c.stop)
	c.work.Wait()
	grace.Stop()
	c.stop()
	c.http.Close()
	c.mu.Lock()
	c.keepAnswers()
	c.mu.Unlock()
	c.save()
	return nil
}

// save keeps what was learned. That it cannot be kept is worth one warning, but no reason to fail what the network has
// done already.
func (c *Client) save() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.forget(c.now())
	if err := c.file.save(c.state); err != nil {
		c.log.Warn("cannot remember what is known of the network", "error", err)
	}
}

// Difficulty returns the proof-of-work difficulty that a node told last, at least 1.
func (c *Client) Difficulty() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(c.state.Difficulty, 1)
}

// SetDifficulty remembers what a node told.
func (c *Client) SetDifficulty(difficulty int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Difficulty = difficulty
}
