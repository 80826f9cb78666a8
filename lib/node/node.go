// Package node is a service node: a real HTTPS server that keeps the messages of its swarm on disk and relays onion
// requests. [Start] and [Run] start a [Node].
//
// It serves clients of two generations on one port. It distinguishes them by the parameters of their requests
// (requests_28.go). To clients of 2020 it is storage server 2.0.7, down to the texts of its errors (storage-2.0.md
// section 2), with these differences: connections are kept alive; TLS 1.3 is supported; a request that would make that
// server hang or crash is answered with status 400; retrieve needs the owner's signature, as with storage RPC 2.8,
// unless Config.AllowUnsigned is set; and expired messages are never served.
//
// To clients of 2.8 it is storage server 2.8.0 over HTTPS and JSON (storage-2.8.md sections 1 to 8), with these
// differences: subaccounts, and so revoke_subaccount and unrevoke_subaccount, are refused with status 400;
// delete_before works for all namespaces; a page continues after a last_hash that was deleted meanwhile; the requests
// of a batch share the bytes of one page; expired messages are never served; and, unless the node serves 2.8 alone,
// malformed requests, the header for a delayed answer, and /get_stats/v1 are answered as by 2.0 (texts.go). Messages of
// both generations are in one box (package store).
//
// A 200 to a store means that the message is on this node's disk. No request makes the node crash or grow without
// bound. No goroutine is left when [Node.Close] returns.
//
// Beyond those servers the node has the synchronous route (listen.go): it delivers a message to a listening client from
// memory, and refuses the delivery at once if no client listens.
//
// No message is lost while one node that has it runs, and a message that its owner has deleted does not come back.
// [replication] queues stored and changed messages for every member that lacks them, compares with the other members,
// and hands messages over when swarms change. A member stores a message once, however often it is sent. Each member
// itself verifies the owner's request to delete or to expire, at any time and from any node: the signed request travels
// with the tombstone or the new expiration (signed.go). So no member can delete messages or shorten their time, and a
// member that has missed a deletion receives it even after the box has moved to another swarm.
//
// The parts are packages of their own: [store] for the disk, [mailbox] for listeners and deliveries, [ring] for the
// node list and keys, [peerhttp] for signed requests between nodes, [link] for onion requests between relays,
// [behaviour] for what differs between versions of the storage server. This package has the HTTP server, both storage
// RPCs and the onion relay.
package node

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"sessiontool/lib/internal/clients"
	"sessiontool/lib/node/behaviour"
	"sessiontool/lib/node/difficulty"
	"sessiontool/lib/node/forward"
	"sessiontool/lib/node/link"
	"sessiontool/lib/node/mailbox"
	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/replication"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/xeddsa"
)

// GCPercent is the debug.SetGCPercent of a process that runs one node. Its heap is small, 22 MiB with a million
// messages, and serving clients allocates much: with Go's 100 the collector takes a tenth of the processor's time.
const GCPercent = 400

const (
	// defaultPollInterval is the interval of the 2020 server (storage-2.0.md section 10).
	defaultPollInterval = time.Second
	// closeGrace is the time that Run gives running requests when its context ends.
	closeGrace = 5 * time.Second
	// relayGrace is the time that a closing node gives relayed requests: enough for an answer, but not for polls that
	// wait for messages at another node.
	relayGrace = time.Second
)

// difficultyKey is the key of the encoded history of difficulties in the store.
var difficultyKey = []byte("difficulty")

// DialFunc opens a connection, as [net.Dialer.DialContext] does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Config configures a node. DataDir, Listener and Directory are required.
type Config struct {
	// DataDir is the folder of the node's key, certificate and messages. It is created (0700) if needed, and belongs to
	// one running node at a time.
	DataDir string
	// Listener accepts plain TCP connections, on which the node speaks TLS. The node closes it.
	Listener net.Listener
	// Directory is the source of the node list.
	Directory ring.Directory

	// Behaviour selects what differs between versions of the storage server; nil means behaviour.Own.
	Behaviour *behaviour.Rules
	// Difficulty is the proof of work required at the start; 0 means that of last time, which is 1 at first.
	Difficulty uint64
	// Generation is the only one whose clients the node serves; empty means that of Behaviour.
	Generation storage.Generation
	// AllowUnsigned serves retrieve requests without a signature, as 2020 clients send them. Every client can then read
	// the (encrypted) messages of every account, as on the network of that time.
	AllowUnsigned bool
	// RateLimit bounds the storage requests a second from one client address, with bursts of twice as many; 0 means the
	// limit of Behaviour, and Own has none. See behaviour.DefaultRateLimit.
	RateLimit int
	// MaxStoreBytes bounds the size of the database; 0 means 3.5 GiB.
	MaxStoreBytes int64
	// PollInterval is the time between requests to the directory; 0 means one second.
	PollInterval time.Duration

	// Wrap, unless nil, wraps the node's HTTP handler, to measure it or to inject faults.
	Wrap func(http.Handler) http.Handler
	// DialContext opens the node's connections to others; nil means those of a net.Dialer.
	DialContext DialFunc

	// Peers, unless nil, makes the requests to other nodes in place of HTTPS, for simulations of a network. The host of
	// a request is the address of the node ([ring.Peer.Address]).
	Peers http.RoundTripper
	// Disk is for tests of disks that fail; nil means that of DataDir.
	Disk store.Disk

	// Now is the node's clock; nil means time.Now.
	Now func() time.Time
	// Rand is the source of keys and nonces, safe for concurrent use; nil means crypto/rand.Reader.
	Rand io.Reader
	// Logger gets the node's log; nil discards it. It never gets a user's key or message.
	Logger *slog.Logger
}

// withDefaults fills in defaults.
func (c Config) withDefaults() Config {
	if c.Behaviour == nil {
		c.Behaviour = &behaviour.Own
	}
	c.Generation = cmp.Or(c.Generation, c.Behaviour.Generation)
	c.AllowUnsigned = c.AllowUnsigned || c.Behaviour.AllowUnsigned
	c.RateLimit = cmp.Or(c.RateLimit, c.Behaviour.RateLimit)
	if c.MaxStoreBytes == 0 {
		c.MaxStoreBytes = store.DefaultMaxBytes
	}
	if c.PollInterval == 0 {
		c.PollInterval = defaultPollInterval
	}
	if c.Wrap == nil {
		c.Wrap = func(handler http.Handler) http.Handler { return handler }
	}
	if c.DialContext == nil {
		c.DialContext = (&net.Dialer{Timeout: c.Behaviour.HopTimeout}).DialContext
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Node is a running service node. Its methods are safe for concurrent use.
type Node struct {
	keys          ring.Keys
	signer        *xeddsa.Signer // of the Ed25519 key
	log           *slog.Logger
	now           func() time.Time
	random        io.Reader
	behaviour     *behaviour.Rules
	allowUnsigned bool
	generation    storage.Generation // empty for both
	texts         *texts

	store          *store.Store
	difficulty     *difficulty.History
	members        *ring.Members
	replication    *replication.Replication
	hub            *mailbox.Hub
	links          *link.Links // to other nodes, for onion requests and changes
	forwarder      *forward.Forwarder
	caller         *peerhttp.Caller // makes requests to other nodes
	limiter        *clients.Limiter
	relays         slots
	largeBodies    slots
	patience       time.Duration // with members that a change is forwarded to
	counters       counters
	observer       atomic.Pointer[func(Event)]
	storesInFlight atomic.Int64   // requests that may store; counted before they read the view
	fullLog        rate.Sometimes // bounds the log lines of a full node

	lifecycle
}

// lifecycle is the part of a Node that starts and stops it.
type lifecycle struct {
	server     *http.Server
	serveErr   error           // set before done is closed
	damage     error           // of the database, set by a task
	serving    sync.RWMutex    // read-locked by every request
	closed     bool            // under serving: too late for requests
	tasks      sync.WaitGroup  // goroutines that serve no request
	background context.Context // of tasks
	endTasks   context.CancelFunc
	relaying   context.Context // of requests on their way through this node
	endRelays  context.CancelFunc
	closing    chan struct{}
	done       chan struct{} // closed when the server has stopped
	closeOnce  sync.Once
	closeErr   error
}

// Start starts a node. It returns when the node listens and has requested the node list. If that request fails, the
// node runs and refuses requests until a list arrives. ctx bounds the start only; [Node.Close] ends the node. If Start
// fails, it has closed the listener. The error may be [ring.ErrKeyFile], [ring.ErrFolder], [store.ErrFolder],
// [store.ErrInUse] or that of the disk.
func Start(ctx context.Context, config Config) (*Node, error) {
	config = config.withDefaults()
	node, err := start(ctx, config)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting node: %w", err), config.Listener.Close())
	}
	return node, nil
}

func start(ctx context.Context, config Config) (*Node, error) {
	keys, err := ring.LoadKeys(config.DataDir, config.Rand)
	if err != nil {
		return nil, err
	}
	forClients, err := ring.LoadCertificate(config.DataDir, config.Behaviour.TLS.Certificate, config.Rand, config.Now())
	if err != nil {
		return nil, err
	}
	identity, err := ring.IdentityCertificate(keys, config.Now())
	if err != nil {
		return nil, err
	}
	messages, err := store.OpenOn(config.DataDir, config.MaxStoreBytes, config.Disk)
	if err != nil {
		return nil, err
	}
	n, err := newNode(config, keys, messages)
	if err != nil {
		return nil, errors.Join(err, messages.Close())
	}
	n.links = link.New(identity, config.DialContext, n.behaviour.HopTimeout)
	incoming := &link.Server{
		Context: n.background, HopHeader: hopHeader, Log: n.log,
		Known: func(key [32]byte) bool { return n.members.View().Addresses[storage.SnodeAddress(key)] != nil },
	}
	tlsConfig := link.ServerTLS(keys.Address(), identity, n.behaviour.TLS.Config(forClients))
	n.server = newServer(n.behaviour, config.Wrap(n), incoming.Serve, tlsConfig, n.log)
	n.server.BaseContext = func(net.Listener) context.Context { return n.background }

	go n.serve(config.Listener) // before the first request for the list: a registry first connects to the node
	if err := n.members.Refresh(ctx); err != nil {
		n.log.Warn("fetching the node list", "error", err)
	}
	n.tasks.Go(func() { n.members.Poll(n.background, config.PollInterval) })
	n.tasks.Go(n.checkStore)
	n.tasks.Go(func() { n.store.Maintain(n.background, n.log, n.now) })
	n.tasks.Go(func() { n.replication.Run(n.background) })
	return n, nil
}

// newNode makes a node that does nothing yet.
func newNode(config Config, keys ring.Keys, messages *store.Store) (*Node, error) {
	history, err := messages.Meta(difficultyKey)
	if err != nil {
		return nil, err
	}
	n := &Node{
		keys:          keys,
		signer:        xeddsa.NewSigner(keys.Ed25519),
		log:           config.Logger.With("node", keys.Name()[:8]),
		now:           config.Now,
		random:        config.Rand,
		behaviour:     config.Behaviour,
		allowUnsigned: config.AllowUnsigned,
		generation:    config.Generation,
		texts:         textsOf(config.Generation, config.Behaviour.Version),
		store:         messages,
		limiter:       clients.NewLimiter(config.RateLimit, burstSeconds*config.RateLimit),
		relays:        make(slots, maxRelays),
		largeBodies:   make(slots, maxLargeBodies),
		fullLog:       rate.Sometimes{First: 1, Interval: fullLogInterval},
		patience:      config.Behaviour.MemberTimeout,
		lifecycle:     lifecycle{closing: make(chan struct{}), done: make(chan struct{})},
	}
	if n.difficulty, err = difficulty.Load(history, n.now()); err != nil {
		return nil, err
	}
	if config.Difficulty != 0 {
		if err := n.SetDifficulty(config.Difficulty); err != nil {
			return nil, err
		}
	}
	n.background, n.endTasks = context.WithCancel(context.Background())
	n.relaying, n.endRelays = context.WithCancel(context.Background())
	n.members = ring.NewMembers(config.Directory, keys.Name(), n.log, func(_, fresh *ring.View) { n.adopt(fresh) })
	find := func(address string) *ring.Peer { return n.members.View().Addresses[address] }
	n.caller = &peerhttp.Caller{Client: peerhttp.NewClient(find, config.DialContext), Keys: keys, Now: n.now}
	if config.Peers != nil {
		n.caller.Client = &http.Client{Transport: config.Peers}
	}
	n.forwarder = forward.New(forward.Config{
		Group: func(ctx context.Context, to *ring.Peer, group []byte) (int, []byte, error) {
			if config.Peers != nil || n.links == nil {
				return 0, nil, link.ErrNoLink
			}
			return n.links.Forward(ctx, to, group)
		},
		Single: n.forwardSingly, Patience: n.patience, Patient: n.behaviour.Patient, Log: n.log,
	})
	var seed [32]byte
	if _, err := io.ReadFull(n.random, seed[:]); err != nil {
		return nil, err
	}
	n.replication = replication.New(replication.Config{
		Seed: seed, Store: messages, Caller: n.caller, Members: n.members, Now: n.now, Difficulty: n.difficulty.Of, Log: n.log,
		ProvedOnly: config.Generation == storage.Generation20,
		ReadRequest: func(owner string, request []byte) (replication.Request, error) {
			return readSigned(owner, request, n.now())
		},
		Arrived: func(ctx context.Context, records []store.Record) {
			n.pause(ctx, n.behaviour.ArrivalDelay())
			shuffle(n.behaviour, records)
		},
		Kept: n.reportReplicated,
	})
	n.hub = mailbox.New(n.random, func(owner string) bool { return n.members.View().Owns(owner) })
	return n, nil
}

// adopt applies a new node list.
func (n *Node) adopt(fresh *ring.View) {
	n.hub.DropMoved()
	n.replication.Adopt(n.background, fresh)
}

// checkStore stops the server if the database is damaged: clients then ask other members, which have everything.
func (n *Node) checkStore() {
	err := n.store.Check(n.background)
	if !errors.Is(err, store.ErrDamaged) {
		return
	}
	n.log.Error("the node stops", "error", err)
	n.damage = err
	n.server.Close() // what it reports is known: connections are cut off
}

func (n *Node) serve(listener net.Listener) {
	defer close(n.done)
	n.log.Info("node listens", "address", listener.Addr().String())
	limited := clients.NewListener(listener, maxConnections, maxAddressConnections)
	if err := n.server.ServeTLS(limited, "", ""); !errors.Is(err, http.ErrServerClosed) {
		n.serveErr = err
	}
}

// Run starts a node and serves until ctx ends, which is no error, or the server fails.
func Run(ctx context.Context, config Config) error {
	n, err := Start(ctx, config)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-n.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
	defer cancel()
	return n.Close(grace)
}

// Done is closed when the node has stopped serving, because of [Node.Close] or of a failure that Close then returns.
func (n *Node) Done() <-chan struct{} { return n.done }

// Close stops the node. Running requests may finish until ctx ends, and are cut off then. When Close returns, the data
// folder is free and no goroutine is left. Closing again returns the same error.
func (n *Node) Close(ctx context.Context) error {
	n.closeOnce.Do(func() { n.closeErr = n.shutDown(ctx) })
	return n.closeErr
}

func (n *Node) shutDown(ctx context.Context) error {
	close(n.closing)
	n.hub.Close()
	defer time.AfterFunc(relayGrace, n.endRelays).Stop()
	n.caller.Client.CloseIdleConnections()
	if err := n.server.Shutdown(ctx); err != nil {
		n.log.Info("cutting off requests", "reason", err)
		n.server.Close() // reports again what Shutdown reported
	}
	<-n.done
	n.endTasks()
	n.endRelays()
	n.serving.Lock() // waits for requests that were cut off
	n.closed = true
	n.serving.Unlock()
	n.tasks.Wait()
	n.replication.Wait()
	n.links.Close()
	n.forwarder.Wait()
	n.caller.Client.CloseIdleConnections()
	return errors.Join(n.damage, n.serveErr, n.store.Close())
}

// Keys returns the node's identity.
func (n *Node) Keys() ring.Keys { return n.keys }

// Ready reports whether the node belongs to a swarm and serves clients.
func (n *Node) Ready() bool { return n.members.View().Ready() }

// SetDifficulty changes the proof of work that the node requires from now on; 0 means 1. The node keeps it and the
// earlier ones over restarts. The error is that of the disk.
func (n *Node) SetDifficulty(value uint64) error {
	n.difficulty.Set(max(value, 1), n.now())
	if err := n.store.SetMeta(difficultyKey, n.difficulty.Encode()); err != nil {
		return fmt.Errorf("writing the difficulty: %w", err)
	}
	return nil
}

// Settled reports whether, as far as this node knows, all nodes have the messages of their swarms that this node has:
// no push is pending, no comparison is due, no hand-over is incomplete, and no store is in progress. A node in no swarm
// accepts no messages; when it has settled it can leave the network for good.
func (n *Node) Settled() (bool, error) {
	// Sources of work are checked before the queue: when they have ended, their work is queued.
	if n.members.Acting() || n.storesInFlight.Load() > 0 || n.replication.Pending() {
		return false, nil
	}
	waiting, err := n.store.PendingCount()
	return waiting == 0, err
}

// Messages returns the messages of pubKey (66 characters, case matters) at this node, in order of arrival, whatever
// swarm the key belongs to. It is for operators and tests; clients use retrieve.
func (n *Node) Messages(pubKey string) ([]storage.Stored, error) {
	return n.store.Page20(pubKey, "", n.now().UnixMilli(), math.MaxInt)
}

// shuffle brings records that arrived together into random order, if the rules spread arrivals.
func shuffle[T any](rules *behaviour.Rules, arrived []T) {
	if rules.ArrivalSpread > 0 {
		mathrand.Shuffle(len(arrived), func(i, j int) { arrived[i], arrived[j] = arrived[j], arrived[i] })
	}
}
