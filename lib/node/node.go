// Package node is a service node: a real HTTPS server that keeps the messages of its swarm on disk and passes onion
// requests on.
//
// To clients it is the storage server 2.0.7 of 2020, down to the texts of its errors (node notes), with these
// differences: connections are kept alive and TLS 1.3 is spoken; a request that would make that server fall silent or
// crash is answered with status 400; retrieve needs the owner's signature, as on today's network, unless
// Config.AllowUnsigned is set; and expired messages are never served.
//
// It promises that an answer of 200 to a store means that the message is on this node's disk, that nothing a
// stranger sends makes it crash or grow without bound, and that no goroutine is left when Close returns. Messages are
// given to the other members of the swarm over HTTPS, signed with the node's key, for as long as the process lives.
package node

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"sync"
	"time"

	"sessiontool/lib/rpc"
)

const (
	// defaultPollInterval is that of the 2020 server (node notes, section 10).
	defaultPollInterval = time.Second
	// defaultStoreBytes is the 2020 server's limit on its database (node notes, section 6).
	defaultStoreBytes = 3584 << 20
	// closeGrace is what Run gives requests that are under way when it is told to stop.
	closeGrace = 5 * time.Second
)

// Config says what a node is made of. DataDir, Listener and Directory are required.
type Config struct {
	// DataDir is where the node keeps its key, its certificate and its messages. It is created (0700) if need be, and
	// belongs to one running node at a time.
	DataDir string
	// Listener takes plain TCP connections, on which the node speaks TLS. The node closes it.
	Listener net.Listener
	// Directory is where the node learns who the others are.
	Directory Directory

	// Difficulty is the proof of work asked for at the start; 0 means 1.
	Difficulty uint64
	// AllowUnsigned serves retrieve requests without a signature, as 2020 clients send them. Anybody can then read
	// anybody's (encrypted) messages, as on the network of that time.
	AllowUnsigned bool
	// RateLimit is how many storage requests a second one client address may make, with bursts of twice as many;
	// 0 means no limit. See DefaultRateLimit.
	RateLimit int
	// MaxStoreBytes is how much the database may hold; 0 means 3.5 GiB.
	MaxStoreBytes int64
	// PollInterval is the time between questions to the directory; 0 means one second.
	PollInterval time.Duration

	// Now is the node's clock; nil means time.Now.
	Now func() time.Time
	// Rand is the source of keys and nonces, safe for concurrent use; nil means crypto/rand.Reader.
	Rand io.Reader
	// Logger gets what an operator should know; nil means nothing does. It never gets a user's key or message.
	Logger *slog.Logger
}

// withDefaults fills in what may be left out.
func (c Config) withDefaults() Config {
	c.Difficulty = max(c.Difficulty, 1)
	if c.MaxStoreBytes == 0 {
		c.MaxStoreBytes = defaultStoreBytes
	}
	if c.PollInterval == 0 {
		c.PollInterval = defaultPollInterval
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
	keys          Keys
	log           *slog.Logger
	now           func() time.Time
	random        io.Reader
	allowUnsigned bool

	store       *store
	difficulty  *difficulty
	members     *members
	replicator  *replicator
	client      *http.Client // to other nodes
	limiter     *addressLimiter
	relays      slots
	largeBodies slots

	server    *http.Server
	serveErr  error          // set before done is closed
	serving   sync.RWMutex   // read-locked by every request
	closed    bool           // under serving: too late for requests
	tasks     sync.WaitGroup // goroutines that serve no request
	endTasks  context.CancelFunc
	closing   chan struct{}
	done      chan struct{} // closed when the server has stopped
	closeOnce sync.Once
	closeErr  error
}

// Start starts a node. It returns once the node listens and has asked the directory for the node list; if that
// failed the node runs, and refuses requests until a list comes. ctx is for starting only. Close ends the node. If
// Start fails, it has closed the listener; the error may be ErrKeyFile, ErrInUse or one of the disk.
func Start(ctx context.Context, config Config) (*Node, error) {
	config = config.withDefaults()
	node, err := start(ctx, config)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting node: %w", err), config.Listener.Close())
	}
	return node, nil
}

func start(ctx context.Context, config Config) (*Node, error) {
	keys, err := LoadKeys(config.DataDir, config.Rand)
	if err != nil {
		return nil, err
	}
	certificate, err := loadCertificate(config.DataDir, config.Rand, config.Now())
	if err != nil {
		return nil, err
	}
	store, err := openStore(config.DataDir, config.MaxStoreBytes)
	if err != nil {
		return nil, err
	}
	log := config.Logger.With("node", keys.Name()[:8])
	background, endTasks := context.WithCancel(context.Background())
	client := newPeerClient()
	n := &Node{
		keys:          keys,
		log:           log,
		now:           config.Now,
		random:        config.Rand,
		allowUnsigned: config.AllowUnsigned,
		store:         store,
		difficulty:    newDifficulty(config.Difficulty),
		replicator:    newReplicator(log, client, keys, config.Now),
		client:        client,
		limiter:       newAddressLimiter(config.RateLimit),
		relays:        make(slots, maxRelays),
		largeBodies:   make(slots, maxLargeBodies),
		endTasks:      endTasks,
		closing:       make(chan struct{}),
		done:          make(chan struct{}),
	}
	n.members = newMembers(config.Directory, keys.Name(), log, func(_, fresh *view) {
		n.replicator.setPeers(background, fresh.others())
	})
	n.server = newServer(n, certificate, log)
	n.server.BaseContext = func(net.Listener) context.Context { return background }

	if err := n.members.refresh(ctx); err != nil {
		log.Warn("asking for the node list", "error", err)
	}
	n.tasks.Go(func() { n.members.pollLoop(background, config.PollInterval) })
	n.tasks.Go(func() { n.store.sweepLoop(background, log, n.now) })
	go n.serve(config.Listener)
	return n, nil
}

func (n *Node) serve(listener net.Listener) {
	defer close(n.done)
	n.log.Info("node listens", "address", listener.Addr().String())
	if err := n.server.ServeTLS(newLimitListener(listener), "", ""); !errors.Is(err, http.ErrServerClosed) {
		n.serveErr = err
	}
}

// newPeerClient makes the HTTP client for requests to other nodes. Their certificates prove nothing and are not
// checked: pushes are signed, and onion layers are sealed for the hop.
func newPeerClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{
				InsecureSkipVerify: true,
				MinVersion:         tls.VersionTLS12,
				ClientSessionCache: tls.NewLRUClientSessionCache(256),
			},
			DialContext:            (&net.Dialer{Timeout: hopTimeout}).DialContext,
			TLSHandshakeTimeout:    hopTimeout,
			MaxIdleConnsPerHost:    32,
			IdleConnTimeout:        idleTimeout / 2, // hang up before the other node does
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Run starts a node and lets it serve until ctx ends, which is no error, or the server fails.
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

// Done is closed when the node has stopped serving, because of Close or of a failure that Close then reports.
func (n *Node) Done() <-chan struct{} { return n.done }

// Close stops the node. Requests under way are finished until ctx ends, and cut off then. When Close returns the
// data folder is free and no goroutine is left. Closing again returns the same.
func (n *Node) Close(ctx context.Context) error {
	n.closeOnce.Do(func() { n.closeErr = n.shutDown(ctx) })
	return n.closeErr
}

func (n *Node) shutDown(ctx context.Context) error {
	close(n.closing)
	n.client.CloseIdleConnections()
	if err := n.server.Shutdown(ctx); err != nil {
		n.log.Info("cutting off requests", "reason", err)
		n.server.Close() // reports again what Shutdown reported
	}
	<-n.done
	n.endTasks()
	n.serving.Lock() // waits for what was cut off
	n.closed = true
	n.serving.Unlock()
	n.tasks.Wait()
	n.replicator.wait()
	n.client.CloseIdleConnections()
	return errors.Join(n.serveErr, n.store.close())
}

// Keys returns the node's identity.
func (n *Node) Keys() Keys { return n.keys }

// Ready reports whether the node belongs to a swarm and serves clients.
func (n *Node) Ready() bool { return n.members.view().ready() }

// SetDifficulty changes the proof of work that clients have to show from now on.
func (n *Node) SetDifficulty(difficulty uint64) { n.difficulty.set(max(difficulty, 1), n.now()) }

// Messages returns what this node holds for pubKey (66 characters, case matters), in the order in which it came,
// whatever swarm the key belongs to. It is for operators and tests; clients use retrieve.
func (n *Node) Messages(pubKey string) ([]rpc.Stored, error) {
	return n.store.after(pubKey, "", n.now().UnixMilli(), math.MaxInt)
}
