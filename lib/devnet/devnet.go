// Package devnet runs a whole network of service nodes in one process: real nodes of lib/node on ports of their own,
// and the registry that lists the nodes for clients and nodes. [Start] runs a [Network]; [Join] runs a single node in
// an existing network; [Connect] controls a network of another process.
//
// Every node answers when Start returns. A network that is started again in the same folder has the same nodes with the
// same keys and messages. [Network.Close] leaves no goroutine and, for a network in a temporary folder, no file.
package devnet

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"sessiontool/lib/devnet/meter"
	"sessiontool/lib/node"
	"sessiontool/lib/node/ring"
	nodestore "sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/swarm"
)

const (
	defaultNodes     = 12
	defaultSwarmSize = 5
	defaultListenIP  = "127.0.0.1"

	registryFile = "registry.json"
	// closeGrace is the time that running requests get when a node stops.
	closeGrace = 5 * time.Second
)

// ErrNode reports a node that does not exist, or that a call requires to run or to be stopped.
var ErrNode = errors.New("no such node")

// ErrPort reports a port that another program uses.
var ErrPort = errors.New("port is taken")

// Options configure a network. The zero value is a network of 12 nodes in a temporary folder.
type Options struct {
	// Nodes is the number of nodes; 0 means 12. At most MaxNodes.
	Nodes int
	// RegistryOnly makes a network without nodes of its own, for nodes from outside. Nodes must be 0.
	RegistryOnly bool
	// SwarmSize is the least number of nodes in a swarm of a new network, if there are that many; 0 means 5.
	SwarmSize int
	// Dir is where registry and nodes keep their files; it is created (0700) if need be. Empty means a temporary
	// folder that Close removes.
	Dir string
	// ListenIP is the address that registry and nodes listen on; empty means 127.0.0.1. An unspecified address, such as
	// 0.0.0.0, requires RegistryOnly, because a node must announce an address that others can reach.
	ListenIP string
	// SeedPort is the port of the registry; 0 means the port of last time, any port at the first time. Clients and nodes
	// know the port: Start returns ErrPort if it is taken.
	SeedPort uint16
	// Difficulty is the proof of work that nodes require; 0 means 1.
	Difficulty uint64
	// Generation is the only one whose clients the nodes serve; empty means both. Nodes that join follow it.
	Generation storage.Generation
	// Like is the real network whose behaviour this one has; the zero Likeness is none.
	Like Likeness
	// Distance is how far away the nodes seem.
	Distance Distance
	// AllowUnsigned serves retrieve requests without a signature, as 2020 clients send them.
	AllowUnsigned bool
	// RateLimit and MaxStoreBytes are as in node.Config.
	RateLimit     int
	MaxStoreBytes int64
	// Control opens an endpoint through which other processes control the network: see Connect.
	Control bool
	// Pages makes the page of [Network.OpenPage]; nil means that the network serves none.
	Pages func(n *Network, options PageOptions) (Page, error)
	// Logger gets the log of the nodes; nil discards it.
	Logger *slog.Logger
}

// withDefaults fills in defaults and returns an error for impossible options.
func (o Options) withDefaults() (Options, error) {
	if o.Nodes == 0 && !o.RegistryOnly {
		o.Nodes = defaultNodes
	}
	if o.SwarmSize == 0 {
		o.SwarmSize = defaultSwarmSize
	}
	if o.ListenIP == "" {
		o.ListenIP = defaultListenIP
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Difficulty = max(o.Difficulty, 1)
	var err error
	if o.Like, err = o.Like.complete(); err != nil {
		return o, err
	}
	if err := o.Distance.Check(); err != nil {
		return o, err
	}
	only := o.Like.Nodes.Generation
	ip := net.ParseIP(o.ListenIP)
	switch {
	case only != "" && o.Generation != "" && o.Generation != only:
		return o, fmt.Errorf("%w: servers like %s serve %s alone", ErrLikeness, o.Like.Name(), only)
	case o.Nodes < 0 || o.Nodes > MaxNodes || o.SwarmSize < 1 || o.RegistryOnly && o.Nodes > 0:
		return o, fmt.Errorf("a network of %d nodes in swarms of %d is not possible", o.Nodes, o.SwarmSize)
	case ip == nil:
		return o, fmt.Errorf("%q is not an IP address", o.ListenIP)
	case ip.IsUnspecified() && o.Nodes > 0:
		return o, ErrPublicIP
	}
	return o, nil
}

// Network is a running network. Its methods are safe for concurrent use.
type Network struct {
	options   Options
	temporary bool // Close removes options.Dir
	registry  *registry
	seed      *http.Server
	seedPort  uint16
	control   *endpoint // nil without Options.Control
	tasks     sync.WaitGroup
	endTasks  context.CancelFunc

	pageLock   sync.Mutex // never held with mu
	page       Page       // nil unless one is open
	pagesEnded bool

	mu      sync.Mutex
	members []*member                     // set by Start
	observe func(index int, e node.Event) // nil unless the nodes are observed
}

// member is a node's place in the network, whether the node runs or not.
type member struct {
	dir  string
	keys ring.Keys
	port uint16
	node *node.Node // nil while the node is stopped

	failed error // why the node could not start with the network, nil if it did

	stoppedBy FaultKind // the fault that stopped it, empty while it runs
	machine   machine
	faults    *injector
	meter     *meter.Meter
}

// NodeInfo describes a node. Keys are lower-case hex, Address ends in ".snode".
type NodeInfo struct {
	Address       string
	IP            string
	Port          uint16
	PubkeyEd25519 string
	PubkeyX25519  string
	SwarmID       swarm.SwarmID
	Running       bool
}

// Start starts a network, and returns when every node answers, apart from those that [Network.Failed] returns. ctx
// bounds the start only; [Network.Close] ends the network.
func Start(ctx context.Context, options Options) (*Network, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Network{options: options, temporary: options.Dir == "", endTasks: func() {}}
	if n.temporary {
		n.options.Dir, err = os.MkdirTemp("", "sessiontool-devnet-")
	} else {
		err = os.MkdirAll(options.Dir, 0o700)
	}
	if err != nil {
		return nil, err
	}
	if err := n.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting devnet: %w", err), n.Close(context.WithoutCancel(ctx)))
	}
	return n, nil
}

// Generation returns the storage RPC for clients: 2.0 if the nodes serve both, because it has all routes.
func (n *Network) Generation() storage.Generation {
	return cmp.Or(n.options.Generation, n.options.Like.Nodes.Generation, storage.Generation20)
}

// Like returns the name of the server version whose behaviour the network has, or "".
func (n *Network) Like() string { return n.options.Like.Name() }

// start brings up the registry, lists the nodes in it and starts them all at once.
func (n *Network) start(ctx context.Context) error {
	var err error
	n.registry, err = loadRegistry(filepath.Join(n.options.Dir, registryFile), n.options.SwarmSize, time.Now)
	if err != nil {
		return err
	}
	if n.registry.admission.listens, err = netip.ParseAddr(n.options.ListenIP); err != nil {
		return err
	}
	n.registry.generation, n.registry.seedTime = n.Generation(), n.options.Like.SeedTime
	n.registry.both = n.options.Generation == "" && n.options.Like.Nodes.Generation == ""
	n.registry.setDifficulty(n.options.Difficulty)
	if n.members, err = n.loadMembers(); err != nil {
		return err
	}
	listeners, err := n.listenAll()
	if err != nil {
		return err
	}
	if err := n.registry.setOwn(n.seedPort, n.states()); err != nil {
		return errors.Join(err, closeAll(listeners))
	}
	err = each(n.members, func(i int, m *member) (err error) {
		if m.failed != nil {
			return nil
		}
		m.node, err = n.startMember(ctx, m, listeners[i])
		if isBadFolder(err) {
			m.failed, err = err, nil
		}
		return err
	})
	if err == nil {
		err = n.dropFailed()
	}
	if err != nil {
		return err
	}
	if err := n.setDistance(ctx); err != nil {
		return err
	}
	if err := n.registry.keep(); err != nil { // now that the nodes have locked their folders
		return err
	}
	background, cancel := context.WithCancel(context.Background())
	n.endTasks = cancel
	n.tasks.Go(func() { n.dropSilentLoop(background) })
	if n.options.Control {
		n.control, err = openEndpoint(n)
	}
	return err
}

// states returns the entries of the members for the registry, without those that could not start.
func (n *Network) states() (states []nodelist.State) {
	for _, m := range n.members {
		if m.failed == nil {
			states = append(states, m.state(n.options.ListenIP))
		}
	}
	return states
}

// isBadFolder reports whether a node cannot start because of its own folder, which other nodes do not need.
func isBadFolder(err error) bool {
	return errors.Is(err, nodestore.ErrFolder) || errors.Is(err, ring.ErrFolder) || errors.Is(err, ring.ErrKeyFile)
}

// dropFailed removes the nodes that could not start from the list. The error is that of the first one if none started.
func (n *Network) dropFailed() error {
	failed := n.Failed()
	switch {
	case len(failed) == 0:
		return nil
	case len(failed) == len(n.members):
		return failed[0].Err
	}
	for _, f := range failed {
		n.options.Logger.Error("node does not start", "index", f.Index, "error", f.Err)
	}
	return n.registry.setOwn(n.seedPort, n.states())
}

// Failure is a node that could not start with its network, because of a file in its folder.
type Failure struct {
	Index int
	Err   error
}

// Failed returns the nodes that could not start. They are not listed. After their folders have been repaired they start
// with the network, the next time.
func (n *Network) Failed() (failed []Failure) {
	for i, m := range n.members {
		if m.failed != nil {
			failed = append(failed, Failure{i, fmt.Errorf("node %d in %s: %w", i, m.dir, m.failed)})
		}
	}
	return failed
}

// dropSilentLoop removes nodes that no longer register from the list, until ctx ends.
func (n *Network) dropSilentLoop(ctx context.Context) {
	ticker := time.NewTicker(silentAfter / 10)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		dropped, err := n.registry.dropSilent()
		if err != nil {
			n.options.Logger.Error("removing silent nodes from the list", "error", err)
		}
		for _, name := range dropped {
			n.options.Logger.Info("removed a silent node from the list", "node", name[:8])
		}
	}
}

// loadMembers makes or reads the keys of all nodes.
func (n *Network) loadMembers() ([]*member, error) {
	members := make([]*member, n.options.Nodes)
	for i := range members {
		members[i] = &member{dir: filepath.Join(n.options.Dir, fmt.Sprintf("node-%03d", i))}
	}
	return members, each(members, func(_ int, m *member) (err error) {
		if m.keys, err = ring.LoadKeys(m.dir, rand.Reader); isBadFolder(err) {
			m.failed, err = err, nil
		}
		if err != nil {
			return err
		}
		m.meter, m.faults = meter.New(), newInjector(m.keys, &n.options.Like.Nodes, &m.machine)
		m.faults.others = func() []storage.Snode { return n.otherSwarm(m.keys.Name()) }
		m.faults.group = n.groupAt
		return nil
	})
}

// listenAll starts serving the registry, and opens a listener for each node, if possible at the ports of last time.
func (n *Network) listenAll() ([]net.Listener, error) {
	var seed net.Listener
	var err error
	if port := cmp.Or(n.options.SeedPort, n.registry.port()); port != 0 {
		seed, err = listenAt(n.options.ListenIP, port)
	} else {
		seed, err = listenAnywhere(n.options.ListenIP)
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w: the registry's: %w", ErrPort, err)
	}
	if err != nil {
		return nil, err
	}
	n.seedPort = portOf(seed)
	n.seed = newSeedServer(n.registry, n.options.Logger)
	n.tasks.Go(func() {
		if err := n.seed.Serve(seed); !errors.Is(err, http.ErrServerClosed) {
			n.options.Logger.Error("registry has stopped", "error", err)
		}
	})
	listeners := make([]net.Listener, len(n.members))
	for i, m := range n.members {
		if m.failed != nil {
			continue
		}
		known, _ := n.registry.find(m.keys.Name()) // port 0 if it is new
		if listeners[i], err = n.listen(known.StoragePort); err != nil {
			return nil, errors.Join(err, closeAll(listeners))
		}
		m.port = portOf(listeners[i])
	}
	return listeners, nil
}

func closeAll(listeners []net.Listener) error {
	var err error
	for _, listener := range listeners {
		if listener != nil { // of a node that has failed
			err = errors.Join(err, listener.Close())
		}
	}
	return err
}

// state is the member's entry for the registry, which knows its swarm.
func (m *member) state(ip string) nodelist.State {
	return nodelist.State{
		PubkeyLegacy:  m.keys.Name(),
		PubkeyEd25519: m.keys.Name(),
		PubkeyX25519:  m.keys.X25519.Public.String(),
		PublicIP:      ip,
		StoragePort:   m.port,
		Funded:        true,
		Active:        true,
	}
}

// each runs do for all members at the same time and joins the errors.
func each(members []*member, do func(i int, m *member) error) error {
	errs := make([]error, len(members))
	var group sync.WaitGroup
	for i, m := range members {
		group.Go(func() { errs[i] = do(i, m) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// Close stops all nodes and the registry. Running requests get up to 5 s, less if ctx ends before.
func (n *Network) Close(ctx context.Context) error {
	err := errors.Join(n.closeControl(ctx), n.endPages(ctx)) // what they run may hold the lock
	n.mu.Lock()
	defer n.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, closeGrace)
	defer cancel()
	err = errors.Join(err, each(n.members, func(_ int, m *member) error {
		return errors.Join(m.stop(ctx), m.machine.close())
	}))
	if n.seed != nil && n.seed.Shutdown(ctx) != nil {
		n.seed.Close() // what is left are clients that keep a connection open
	}
	n.endTasks()
	n.tasks.Wait()
	if n.temporary {
		err = errors.Join(err, os.RemoveAll(n.options.Dir))
	}
	return err
}

func (n *Network) closeControl(ctx context.Context) error {
	if n.control == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, closeGrace)
	defer cancel()
	return n.control.close(ctx)
}

// stop closes the member's node, if it runs.
func (m *member) stop(ctx context.Context) error {
	if m.node == nil {
		return nil
	}
	m.faults.end()
	err := m.node.Close(ctx)
	m.node = nil
	return err
}
