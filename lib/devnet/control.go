package devnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"sessiontool/lib/node"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/storage/storagehttp"
	"sessiontool/lib/swarm"
)

// SeedURL returns the URL at which the registry answers as a seed. For a registry that listens on all addresses it is
// that on this machine.
func (n *Network) SeedURL() string {
	ip := n.options.ListenIP
	if net.ParseIP(ip).IsUnspecified() {
		ip = defaultListenIP
	}
	return "http://" + net.JoinHostPort(ip, strconv.Itoa(int(n.seedPort))) + nodelist.SeedPath
}

// Dir returns the folder in which the network keeps its files.
func (n *Network) Dir() string { return n.options.Dir }

// Nodes describes the network's own nodes, stopped ones included. A node keeps its place as long as the network runs.
func (n *Network) Nodes() []NodeInfo {
	n.mu.Lock()
	defer n.mu.Unlock()
	infos := make([]NodeInfo, len(n.members))
	for i, m := range n.members {
		listed, _ := n.registry.find(m.keys.Name()) // one that has failed is not listed
		infos[i] = info(m.keys, listed.State)
		infos[i].Running = m.node != nil
	}
	return infos
}

func info(keys ring.Keys, state nodelist.State) NodeInfo {
	return NodeInfo{
		Address:       keys.Address(),
		IP:            state.PublicIP,
		Port:          state.StoragePort,
		PubkeyEd25519: state.PubkeyEd25519,
		PubkeyX25519:  state.PubkeyX25519,
		SwarmID:       swarm.SwarmID(state.SwarmID),
	}
}

// member returns a member, which must be running or not as wanted. The caller holds n.mu.
func (n *Network) member(i int, running bool) (*member, error) {
	if i < 0 || i >= len(n.members) {
		return nil, fmt.Errorf("%w: %d of %d", ErrNode, i, len(n.members))
	}
	m := n.members[i]
	switch {
	case m.failed != nil:
		return nil, fmt.Errorf("%w: node %d has not started: %w", ErrNode, i, m.failed)
	case running && m.node == nil:
		return nil, fmt.Errorf("%w: node %d is stopped", ErrNode, i)
	case !running && m.node != nil:
		return nil, fmt.Errorf("%w: node %d is running", ErrNode, i)
	}
	return m, nil
}

// StopNode closes node i. It stays listed, like a crashed node. Connections to it are refused or, with
// [Likeness].Vanish, hang.
func (n *Network) StopNode(ctx context.Context, i int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	m, err := n.member(i, true)
	if err != nil {
		return err
	}
	return n.stopMember(ctx, m, FaultStop)
}

// stopMember closes the member's node, if it runs. The caller holds n.mu.
func (n *Network) stopMember(ctx context.Context, m *member, why FaultKind) error {
	if m.node == nil {
		return nil
	}
	if m.stoppedBy = why; why == FaultRestart {
		m.stoppedBy = FaultStop // until it runs again
	}
	if why == FaultVanish || why == FaultStop && n.options.Like.Vanish {
		m.machine.vanish()
		defer m.machine.acceptIdle()
		return m.stop(ended())
	}
	ctx, cancel := context.WithTimeout(ctx, closeGrace)
	defer cancel()
	return m.stop(ctx)
}

// StartNode starts node i again, with its stored messages, and returns when it answers. It has its port, or a new one if
// another program took that meanwhile.
func (n *Network) StartNode(ctx context.Context, i int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	m, err := n.member(i, false)
	if err != nil {
		return err
	}
	return n.restartMember(ctx, m)
}

// restartMember starts the member's node at its port, or at a new one if that is taken. The caller holds n.mu.
func (n *Network) restartMember(ctx context.Context, m *member) error {
	listener, err := m.machine.restore(), error(nil)
	if listener == nil {
		listener, err = n.listen(m.port)
	}
	if err != nil {
		return err
	}
	if port := portOf(listener); port != m.port {
		m.port = port
		if err := n.registry.setOwn(n.seedPort, n.states()); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	m.node, err = n.startMember(ctx, m, listener)
	return err
}

// firstAnswer is how long a node that starts may take for its first answer. All nodes of a network start at once.
const firstAnswer = 2 * time.Minute

// startMember starts the member's node and waits for its first answer.
func (n *Network) startMember(ctx context.Context, m *member, listener net.Listener) (*node.Node, error) {
	running, err := node.Start(ctx, node.Config{
		DataDir:       m.dir,
		Listener:      lossyListener{m.machine.listen(listener), m.faults.loss},
		Behaviour:     &n.options.Like.Nodes,
		Directory:     n.registry,
		Difficulty:    n.options.Difficulty,
		Generation:    n.options.Generation,
		AllowUnsigned: n.options.AllowUnsigned,
		RateLimit:     n.options.RateLimit,
		MaxStoreBytes: n.options.MaxStoreBytes,
		Wrap:          func(handler http.Handler) http.Handler { return m.meter.Wrap(m.faults.wrap(handler)) },
		DialContext:   m.faults.dialContext,
		Now:           m.faults.now,
		Logger:        n.options.Logger,
	})
	if err != nil {
		return nil, err
	}
	client := storagehttp.NewClient()
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, firstAnswer)
	defer cancel()
	answer, err := client.GetNode(ctx, n.options.ListenIP, m.port, storage.StatsPath)
	if err == nil && answer.Status != storage.StatusOK {
		err = fmt.Errorf("node answers with status %d", answer.Status)
	}
	if err != nil {
		return running, err // the caller's Close stops it
	}
	if n.observe != nil {
		running.Observe(eventsOf(slices.Index(n.members, m), n.observe))
	}
	m.faults.begin()
	m.stoppedBy = ""
	return running, nil
}

// otherSwarm returns the nodes of the swarm with the lowest id that does not contain the node called name. There are
// none in a network of one swarm.
func (n *Network) otherSwarm(name string) []storage.Snode {
	self, _ := n.registry.find(name) // all members are listed
	list := n.registry.list("")
	other := uint64(swarm.NoSwarm)
	for _, state := range list.States {
		if state.SwarmID != self.SwarmID {
			other = min(other, state.SwarmID)
		}
	}
	snodes := []storage.Snode{}
	for _, state := range list.States {
		key, err := decodeKey(state.PubkeyLegacy)
		if err == nil && state.SwarmID == other && other != uint64(swarm.NoSwarm) {
			snodes = append(snodes, storage.Snode{
				Address: storage.SnodeAddress([32]byte(key)), IP: state.PublicIP,
				Port:          strconv.Itoa(int(state.StoragePort)),
				PubkeyEd25519: state.PubkeyEd25519, PubkeyX25519: state.PubkeyX25519,
			})
		}
	}
	return snodes
}

// groupAt returns the partition of the devnet's node at a host and port. All other addresses are in group 0.
func (n *Network) groupAt(address string) int {
	for _, m := range n.members {
		if address == net.JoinHostPort(n.options.ListenIP, strconv.Itoa(int(m.port))) {
			return m.faults.current()[FaultPartition].Group
		}
	}
	return 0
}

// SetDifficulty changes the proof of work that all nodes require from now on. Nodes from outside that follow the
// registry adopt it with their next request for the list. 0 means 1. The error is that of a node's disk; all other
// nodes require the new difficulty nevertheless.
func (n *Network) SetDifficulty(difficulty uint64) (err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	difficulty = max(difficulty, 1)
	n.options.Difficulty = difficulty
	n.registry.setDifficulty(difficulty)
	for _, m := range n.members {
		if m.node != nil {
			err = errors.Join(err, m.node.SetDifficulty(difficulty))
		}
	}
	return err
}

// Messages returns the messages of a Session ID (66 characters) at node i, in order of arrival. The node must be
// running.
func (n *Network) Messages(i int, pubKey string) ([]storage.Stored, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m, err := n.member(i, true)
	if err != nil {
		return nil, err
	}
	return m.node.Messages(pubKey)
}
