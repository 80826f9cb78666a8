package devnet

import (
	"fmt"

	"sessiontool/lib/node/behaviour"
	"sessiontool/lib/storage"
)

// NodeState is how one of the devnet's own nodes is. The counts are zero while it does not run.
type NodeState struct {
	Index         int         `json:"index"`
	PubkeyEd25519 string      `json:"pubkey_ed25519"`
	IP            string      `json:"ip"`
	Port          uint16      `json:"port"`
	SwarmID       uint64      `json:"swarm_id"`
	Version       string      `json:"version"`
	Running       bool        `json:"running"`
	Ready         bool        `json:"ready"`   // it knows its swarm and serves clients
	Settled       bool        `json:"settled"` // its messages are at all other members, as far as it knows
	Failed        string      `json:"failed"`  // why it did not start with the network
	Messages      int         `json:"messages"`
	Bytes         int64       `json:"bytes"`
	MaxBytes      int64       `json:"max_bytes"` // 0 means half of the disk
	Pending       int         `json:"pending"`   // replica updates for other members
	Listeners     int         `json:"listeners"`
	Faults        []FaultKind `json:"faults"`
}

// States describes the network's own nodes. A node is asked for its messages, so this is not for every request.
func (n *Network) States() ([]NodeState, error) {
	infos := n.Nodes()
	n.mu.Lock()
	defer n.mu.Unlock() // no node stops meanwhile
	states := make([]NodeState, len(infos))
	for i, info := range infos {
		m := n.members[i]
		state := NodeState{
			Index: i, PubkeyEd25519: m.keys.Name(), IP: info.IP, Port: info.Port, SwarmID: uint64(info.SwarmID),
			Version: n.version(), Running: m.node != nil, MaxBytes: n.options.MaxStoreBytes,
			Faults: []FaultKind{},
		}
		if m.failed != nil {
			state.Failed = m.failed.Error()
		}
		for _, fault := range m.allFaults(i) {
			state.Faults = append(state.Faults, fault.Kind)
		}
		if m.node != nil {
			stats, err := m.node.Stats()
			if err != nil {
				return nil, err
			}
			if state.Settled, err = m.node.Settled(); err != nil {
				return nil, err
			}
			state.Settled = state.Settled && stats.Queued == 0
			state.Ready, state.Messages, state.Bytes = m.node.Ready(), stats.Messages, stats.Bytes
			state.Pending, state.Listeners = stats.Queued, stats.Listeners
		}
		states[i] = state
	}
	return states, nil
}

// version returns the version of a storage server that the nodes show to clients of the network's storage RPC.
func (n *Network) version() string {
	version := n.options.Like.Nodes.Version
	if n.Generation() == storage.Generation20 {
		version = behaviour.Like207.Version
	}
	return fmt.Sprintf("%d.%d.%d", version[0], version[1], version[2])
}
