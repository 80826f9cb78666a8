package devnet

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"sessiontool/lib/node"
	"sessiontool/lib/rpc"
	"sessiontool/lib/swarm"
)

// SeedURL returns the URL at which the registry answers as a seed.
func (n *Network) SeedURL() string {
	return "http://" + net.JoinHostPort(n.options.ListenIP, strconv.Itoa(int(n.seedPort))) + rpc.SeedPath
}

// Dir returns the folder in which the network keeps its files.
func (n *Network) Dir() string { return n.options.Dir }

// Nodes describes the network's own nodes, stopped ones included. A node keeps its place as long as the network runs.
func (n *Network) Nodes() []NodeInfo {
	n.mu.Lock()
	defer n.mu.Unlock()
	infos := make([]NodeInfo, len(n.members))
	for i, m := range n.members {
		listed, _ := n.registry.find(m.keys.Name()) // all members are listed
		infos[i] = info(m.keys, listed.NodeState)
		infos[i].Running = m.node != nil
	}
	return infos
}

func info(keys node.Keys, state rpc.NodeState) NodeInfo {
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
	case running && m.node == nil:
		return nil, fmt.Errorf("%w: node %d is stopped", ErrNode, i)
	case !running && m.node != nil:
		return nil, fmt.Errorf("%w: node %d is running", ErrNode, i)
	}
	return m, nil
}

// StopNode closes node i. It stays listed, as a node that crashed would.
func (n *Network) StopNode(ctx context.Context, i int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	m, err := n.member(i, true)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, closeGrace)
	defer cancel()
	return m.stop(ctx)
}

// StartNode starts node i again, at its port and with what it had stored, and returns when it answers.
func (n *Network) StartNode(ctx context.Context, i int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	m, err := n.member(i, false)
	if err != nil {
		return err
	}
	listener, err := n.listenAt(m.port)
	if err != nil {
		return err
	}
	m.node, err = n.startMember(ctx, m, listener)
	return err
}

// startMember starts the member's node and waits for its first answer.
func (n *Network) startMember(ctx context.Context, m *member, listener net.Listener) (*node.Node, error) {
	running, err := node.Start(ctx, node.Config{
		DataDir:       m.dir,
		Listener:      listener,
		Directory:     n.registry,
		Difficulty:    n.options.Difficulty,
		AllowUnsigned: n.options.AllowUnsigned,
		Logger:        n.options.Logger,
	})
	if err != nil {
		return nil, err
	}
	client := rpc.NewClient()
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	answer, err := client.GetNode(ctx, n.options.ListenIP, m.port, rpc.StatsPath)
	if err == nil && answer.Status != rpc.StatusOK {
		err = fmt.Errorf("node answers with status %d", answer.Status)
	}
	if err != nil {
		return running, err // the caller's Close stops it
	}
	return running, nil
}

// SetDifficulty changes the proof of work that all nodes ask for from now on.
func (n *Network) SetDifficulty(difficulty uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.options.Difficulty = difficulty
	for _, m := range n.members {
		if m.node != nil {
			m.node.SetDifficulty(difficulty)
		}
	}
}

// Messages returns what node i, which must be running, holds for a Session ID (66 characters), in the order in which
// it came.
func (n *Network) Messages(i int, pubKey string) ([]rpc.Stored, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m, err := n.member(i, true)
	if err != nil {
		return nil, err
	}
	return m.node.Messages(pubKey)
}
