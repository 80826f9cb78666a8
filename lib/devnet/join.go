package devnet

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"sessiontool/lib/devnet/meter"
	"sessiontool/lib/node"
	"sessiontool/lib/node/behaviour"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/storage"
)

// ErrPublicIP reports a node without an address at which others can reach it.
var ErrPublicIP = errors.New("a node that listens on all addresses needs a public IP")

// JoinOptions configure a node that joins a network from outside. Seed, DataDir and Listener are required.
type JoinOptions struct {
	// Seed is the URL of the network's registry.
	Seed string
	// DataDir is the folder of the node's keys and messages.
	DataDir string
	// Listener accepts the node's connections. It is closed with the node, or if Join fails.
	Listener net.Listener
	// PublicIP is the address at which others reach the node; empty means the listener's address.
	PublicIP string
	// Difficulty is the proof of work that the node requires; 0 means that it follows the registry.
	Difficulty uint64
	// Generation is the only storage RPC that the node serves. Empty means that of the network; BothGenerations, both.
	Generation storage.Generation
	// Behaviour is as in node.Config.
	Behaviour *behaviour.Rules
	// AllowUnsigned, RateLimit, MaxStoreBytes and Logger are as in Options.
	AllowUnsigned bool
	RateLimit     int
	MaxStoreBytes int64
	Logger        *slog.Logger
}

// BothGenerations is the [JoinOptions].Generation of a node that serves both storage RPCs.
const BothGenerations storage.Generation = "both"

// Running is a node that has joined a network.
type Running struct {
	node  *node.Node
	seed  *ring.Seed
	info  NodeInfo
	meter *meter.Meter

	endAnnouncing context.CancelFunc
	announcing    sync.WaitGroup
}

// Join registers a node with a registry and runs it. It returns when the node belongs to a swarm. ctx bounds the start
// only; [Running.Close] ends the node, which stays listed for up to 5 minutes. The node registers again every minute,
// so that a registry that has lost it lists it again.
func Join(ctx context.Context, options JoinOptions) (*Running, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	seed, err := ring.NewSeed(options.Seed)
	if err != nil {
		return nil, errors.Join(err, options.Listener.Close())
	}
	running := &Running{seed: seed, meter: meter.New(), endAnnouncing: func() {}}
	me, err := newAnnouncer(seed, options)
	if err != nil {
		seed.Close()
		return nil, errors.Join(err, options.Listener.Close())
	}
	generation, err := options.generation(ctx, seed)
	if err != nil {
		seed.Close()
		return nil, errors.Join(err, options.Listener.Close())
	}
	running.node, err = node.Start(ctx, node.Config{
		Generation:    generation,
		DataDir:       options.DataDir,
		Listener:      options.Listener,
		Directory:     me,
		Behaviour:     options.Behaviour,
		Difficulty:    options.Difficulty,
		AllowUnsigned: options.AllowUnsigned,
		RateLimit:     options.RateLimit,
		MaxStoreBytes: options.MaxStoreBytes,
		Wrap:          running.meter.Wrap,
		Logger:        options.Logger,
	})
	if err != nil {
		seed.Close()
		return nil, err
	}
	joined := <-me.joined // the node has asked for the list
	if joined.err == nil && me.follow && joined.difficulty > 0 {
		joined.err = running.node.SetDifficulty(joined.difficulty)
	}
	if joined.err != nil {
		return nil, errors.Join(joined.err, running.Close(context.WithoutCancel(ctx)))
	}
	running.info = joined.info
	running.info.Running = true
	me.node.Store(running.node)
	background, cancel := context.WithCancel(context.Background())
	running.endAnnouncing = cancel
	running.announcing.Go(func() { me.loop(background) })
	return running, nil
}

// generation returns the only storage RPC that the node serves, empty for both. A registry that gives none is that of a
// real network, where the node serves both.
func (o *JoinOptions) generation(ctx context.Context, seed *ring.Seed) (storage.Generation, error) {
	switch {
	case o.Generation == BothGenerations, o.Behaviour != nil && o.Behaviour.Generation != "":
		return "", nil
	case o.Generation != "":
		return o.Generation, nil
	}
	list, err := seed.Nodes(ctx, "")
	if err != nil || list.Both {
		return "", err
	}
	return list.Generation, nil
}

// newAnnouncer loads the node's keys and determines its public address.
func newAnnouncer(seed *ring.Seed, options JoinOptions) (*announcer, error) {
	address := options.Listener.Addr().(*net.TCPAddr)
	ip := options.PublicIP
	if ip == "" {
		if address.IP.IsUnspecified() {
			return nil, ErrPublicIP
		}
		ip = address.IP.String()
	}
	keys, err := ring.LoadKeys(options.DataDir, rand.Reader)
	if err != nil {
		return nil, err
	}
	return &announcer{
		Seed: seed, keys: keys, ip: ip, port: uint16(address.Port), now: time.Now, log: options.Logger,
		follow: options.Difficulty == 0, joined: make(chan joining, 1), missing: make(chan struct{}, 1),
	}, nil
}

// Info describes the node as it joined.
func (r *Running) Info() NodeInfo { return r.info }

// Done is closed when the node has stopped serving.
func (r *Running) Done() <-chan struct{} { return r.node.Done() }

// Settled reports whether the node has what the other members of its swarm have, as far as it knows.
func (r *Running) Settled() (bool, error) { return r.node.Settled() }

// Messages returns the number of messages that the node has.
func (r *Running) Messages() (int, error) {
	stats, err := r.node.Stats()
	return stats.Messages, err
}

// Close stops the node. Running requests get up to 5 s, less if ctx ends before.
func (r *Running) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeGrace)
	defer cancel()
	r.endAnnouncing()
	r.announcing.Wait()
	err := r.node.Close(ctx)
	r.seed.Close()
	return err
}
