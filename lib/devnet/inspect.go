package devnet

import (
	"errors"
	"strconv"

	"sessiontool/lib/devnet/meter"
	"sessiontool/lib/node"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/swarm"
)

// Inspection is the state of a network at one time, as its process knows it. Own nodes come first, in the order of
// [Network.Nodes], then the nodes from outside.
type Inspection struct {
	Status
	Generation storage.Generation `json:"generation"`
	Like       string             `json:"like,omitempty"`
	Nodes      []InspectedNode    `json:"nodes"`
}

// InspectedNode is the state of a node. A node from outside has its address and its swarm alone.
type InspectedNode struct {
	NodeInfo
	Own     bool        `json:"own"`
	Version string      `json:"version,omitempty"`
	Failed  string      `json:"failed,omitempty"` // why it could not start with the network
	Faults  []NodeFault `json:"faults,omitempty"`
	Load    Load        `json:"load"`
}

// Load is what a node holds and what waits at it.
type Load struct {
	Messages   int    `json:"messages"`
	Bytes      int64  `json:"bytes"`
	MaxBytes   int64  `json:"max_bytes"`
	Queued     int    `json:"queued"` // replica updates that are pending for other nodes
	Listeners  int    `json:"listeners"`
	Deliveries int    `json:"deliveries"` // not acknowledged yet
	Expired    uint64 `json:"expired"`
}

// Fill returns the part of its space that the node uses, from 0 to 1.
func (l Load) Fill() float64 {
	if l.MaxBytes <= 0 {
		return 0
	}
	return min(float64(l.Bytes)/float64(l.MaxBytes), 1)
}

func loadOf(stats node.Stats, maxBytes int64) Load {
	return Load{
		Messages: stats.Messages, Bytes: stats.Bytes, MaxBytes: maxBytes, Queued: stats.Queued,
		Listeners: stats.Listeners, Deliveries: stats.Waiting, Expired: stats.Expired,
	}
}

// Inspect returns the state of the network. Its cost grows with the messages of the nodes, so it is for a view of the
// network every second, not for every request. It returns an error if a node's database cannot be read.
func (n *Network) Inspect() (Inspection, error) {
	state := Inspection{Status: n.counts(), Generation: n.Generation(), Like: n.Like()}
	own := make(map[string]bool, len(n.members))
	var errs []error
	for i, m := range n.members {
		own[m.keys.Name()] = true
		s, err := n.inspectMember(i, m)
		state.Nodes, errs = append(state.Nodes, s), append(errs, err)
	}
	for _, listed := range n.registry.list("").States {
		if !own[listed.PubkeyEd25519] {
			state.Nodes = append(state.Nodes, outsideState(listed))
		}
	}
	return state, errors.Join(errs...)
}

// inspectMember holds the lock for one node alone, so that orders do not wait for the whole network.
func (n *Network) inspectMember(i int, m *member) (InspectedNode, error) {
	listed, _ := n.registry.find(m.keys.Name()) // one that has failed is not listed
	n.mu.Lock()
	defer n.mu.Unlock()
	s := InspectedNode{NodeInfo: info(m.keys, listed.State), Own: true}
	if m.failed != nil {
		s.PubkeyEd25519, s.SwarmID, s.Failed = m.keys.Name(), swarm.NoSwarm, m.failed.Error()
		return s, nil
	}
	s.Faults = m.allFaults(i)
	if m.node == nil {
		return s, nil
	}
	s.Running, s.Version = true, versionText(m.node.Version())
	stats, err := m.node.Stats()
	s.Load = loadOf(stats, m.node.MaxBytes())
	return s, err
}

func outsideState(listed nodelist.State) InspectedNode {
	s := InspectedNode{NodeInfo: NodeInfo{
		IP: listed.PublicIP, Port: listed.StoragePort, PubkeyEd25519: listed.PubkeyEd25519,
		PubkeyX25519: listed.PubkeyX25519, SwarmID: swarm.SwarmID(listed.SwarmID), Running: true,
	}}
	if key, err := decodeKey(listed.PubkeyEd25519); err == nil {
		s.Address = storage.SnodeAddress([32]byte(key))
	}
	return s
}

func versionText(v [3]int) string {
	return strconv.Itoa(v[0]) + "." + strconv.Itoa(v[1]) + "." + strconv.Itoa(v[2])
}

// Figures returns the figures of own node i. A stopped node has those of its endpoints alone.
func (n *Network) Figures(i int) (meter.Figures, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i < 0 || i >= len(n.members) || n.members[i].failed != nil {
		return meter.Figures{}, ErrNode
	}
	return n.members[i].meter.Figures(n.members[i].node)
}

// Observe makes the network call observe with each event of its own nodes from now on: see [node.Node.Observe]. i is the
// node's place in [Network.Nodes]. nil ends that.
func (n *Network) Observe(observe func(i int, e node.Event)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.observe = observe
	for i, m := range n.members {
		if m.node != nil {
			m.node.Observe(eventsOf(i, observe))
		}
	}
}

func eventsOf(i int, observe func(i int, e node.Event)) func(node.Event) {
	if observe == nil {
		return nil
	}
	return func(e node.Event) { observe(i, e) }
}

// Inspect returns the network as this node knows it: the node first, then the others of its list.
func (r *Running) Inspect() (Inspection, error) {
	stats, err := r.node.Stats()
	self := InspectedNode{
		NodeInfo: r.info, Own: true, Version: versionText(r.node.Version()), Load: loadOf(stats, r.node.MaxBytes()),
	}
	view := r.node.View()
	if view.Self != nil {
		self.SwarmID = view.Self.Swarm
	}
	state := Inspection{Nodes: []InspectedNode{self}}
	swarms := make(map[uint64]bool)
	for _, listed := range view.States {
		if listed.SwarmID != uint64(swarm.NoSwarm) {
			swarms[listed.SwarmID] = true
		}
		if listed.PubkeyEd25519 != self.PubkeyEd25519 {
			state.Nodes = append(state.Nodes, outsideState(listed))
		}
	}
	state.Status = Status{Nodes: len(view.States), Swarms: len(swarms), Difficulty: r.node.Difficulty()}
	return state, err
}

// Figures returns the figures of the node, whose place is 0.
func (r *Running) Figures(i int) (meter.Figures, error) {
	if i != 0 {
		return meter.Figures{}, ErrNode
	}
	return r.meter.Figures(r.node)
}

// Observe calls observe with each event of the node, whose place is 0: see [Network.Observe].
func (r *Running) Observe(observe func(i int, e node.Event)) { r.node.Observe(eventsOf(0, observe)) }
