// Package network is a client's view of the service node network: the node list from the seeds, the swarm of a
// Session ID, the guards, and onion requests over three hops to any node.
//
// It promises that a target never learns who asks (requests always travel through a guard and two relays, none of
// which is the target), that guards are kept between runs, that a node which fails is found and left out for a
// while, and that nobody but the seeds can introduce nodes: what a node says about swarms counts only as far as it
// names registered nodes.
package network

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"sessiontool/lib/onion"
	"sessiontool/lib/rpc"
)

// Errors of this package. All but ErrBadNetwork and ErrWrongClock are worth a retry.
var (
	ErrNoSeed       = errors.New("no seed answers")
	ErrTooFewNodes  = errors.New("too few service nodes for an onion path")
	ErrNoPath       = errors.New("no onion path works")
	ErrTarget       = errors.New("service node does not answer")
	ErrNoSwarm      = errors.New("no service node tells the swarm")
	ErrBadNetwork   = errors.New("network cannot be used")
	errStaleAnswers = errors.New("swarm names nodes that are not registered")
)

const (
	seedTimeout  = 5 * time.Second
	guardTimeout = 10 * time.Second // as the 2020 client tests its guards
	roundTimeout = 15 * time.Second // one onion request; a relay waits 10 s for the next hop
)

// Config is what a Client needs to know.
type Config struct {
	Seeds        []string      // URLs, at least one
	StateFile    string        // where to remember nodes, guards and swarms; empty: nowhere
	OnionVersion onion.Version // zero: onion.V2
	Random       io.Reader
	Now          func() time.Time
	Log          *slog.Logger
}

// Client is safe for concurrent use.
type Client struct {
	seeds   []string
	file    string
	version onion.Version
	random  io.Reader
	now     func() time.Time
	log     *slog.Logger
	http    *rpc.Client

	guardsMu sync.Mutex // held while guards are chosen, so that they are chosen once

	mu     sync.Mutex
	state  state
	index  map[Key]int // into state.Nodes
	rng    *rand.Rand
	synced bool // the node list was fetched in this run
}

// New makes a client. It reads the state file but sends nothing yet.
func New(config Config) (*Client, error) {
	if len(config.Seeds) == 0 {
		return nil, fmt.Errorf("%w: it names no seed", ErrBadNetwork)
	}
	c := &Client{
		version: config.OnionVersion, random: config.Random, now: config.Now, log: config.Log,
		http: rpc.NewClient(), file: config.StateFile,
	}
	if c.version == 0 {
		c.version = onion.V2
	}
	for _, text := range config.Seeds {
		url, err := seedURL(text)
		if err != nil {
			return nil, err
		}
		c.seeds = append(c.seeds, url)
	}
	var seed [32]byte
	if _, err := io.ReadFull(config.Random, seed[:]); err != nil {
		return nil, err
	}
	c.rng = rand.New(rand.NewChaCha8(seed))
	c.state = loadState(config.StateFile)
	c.reindex()
	return c, nil
}

// Close remembers what was learned and drops connections.
func (c *Client) Close() error {
	c.http.Close()
	return c.save()
}

func (c *Client) save() error {
	if c.file == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for key, until := range c.state.Bad {
		if now.After(until) {
			delete(c.state.Bad, key)
		}
	}
	c.state.dropOldSwarms()
	return c.state.save(c.file)
}

// Nodes returns the registered nodes, from the cache while it is fresh.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	c.mu.Lock()
	fresh := len(c.state.Nodes) > 0 && c.now().Sub(c.state.FetchedAt) < nodesFreshFor
	c.mu.Unlock()
	if !fresh {
		if err := c.fetchNodes(ctx); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Nodes, nil
}

// Refresh asks the seeds for the node list unless that was done in this run already.
func (c *Client) Refresh(ctx context.Context) error {
	c.mu.Lock()
	synced := c.synced
	c.mu.Unlock()
	if synced {
		return nil
	}
	return c.fetchNodes(ctx)
}

// Node returns the registered node with this key.
func (c *Client) Node(key Key) (Node, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i, ok := c.index[key]
	if !ok {
		return Node{}, false
	}
	return c.state.Nodes[i], true
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

// Now returns the time that the network has, as far as it is known: this machine's clock and what was learned of its
// error.
func (c *Client) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now().Add(time.Duration(c.state.OffsetMS) * time.Millisecond)
}

// SyncClock learns the error of this machine's clock from the seeds and reports it.
func (c *Client) SyncClock(ctx context.Context) (time.Duration, error) {
	if err := c.fetchNodes(ctx); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.state.OffsetMS) * time.Millisecond, nil
}

// learnOffset takes the seed's Date, which has whole seconds: errors below two seconds are noise, and all limits of
// the network are wider.
func (c *Client) learnOffset(date time.Time) {
	if date.IsZero() {
		return
	}
	offset := date.Sub(c.now())
	if offset.Abs() < 2*time.Second {
		offset = 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.OffsetMS = offset.Milliseconds()
}

func (c *Client) setNodes(nodes []Node) error {
	c.mu.Lock()
	c.state.Nodes, c.state.FetchedAt, c.synced = nodes, c.now(), true
	c.reindex()
	c.mu.Unlock()
	return c.save()
}

func (c *Client) reindex() {
	c.index = make(map[Key]int, len(c.state.Nodes))
	for i, node := range c.state.Nodes {
		c.index[node.Ed25519] = i
	}
}

// markBad leaves a node out of paths for a while.
func (c *Client) markBad(node Node, why error) {
	c.mu.Lock()
	c.state.Bad[node.Ed25519] = c.now().Add(badFor)
	c.mu.Unlock()
	c.log.Info("service node fails", "node", node.Ed25519, "error", why)
}

// shuffled returns 0..n-1 in random order.
func (c *Client) shuffled(n int) []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.Perm(n)
}

// Shuffle returns the nodes in random order.
func (c *Client) Shuffle(nodes []Node) []Node {
	out := make([]Node, len(nodes))
	for i, j := range c.shuffled(len(nodes)) {
		out[i] = nodes[j]
	}
	return out
}

// randomKey is a key that belongs to nobody, for questions that must not tell who asks.
func (c *Client) randomKey() (key [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := 0; i < len(key); i += 8 {
		binary.BigEndian.PutUint64(key[i:], c.rng.Uint64())
	}
	return key
}
