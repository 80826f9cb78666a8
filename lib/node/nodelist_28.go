package node

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"strconv"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/swarm"
)

// serveActiveNodes answers active_nodes_bin: a JSON string, base64 of 51 bytes for each active node (storage-2.8.md
// section 6.1). A node without an address has zeros in the place of address, ports and version.
func (n *Node) serveActiveNodes(context.Context) (answer, error) {
	var list []byte
	for _, state := range n.members.View().States {
		key, ok := ring.ParseKey(state.PubkeyEd25519)
		if !ok || !state.Active || swarm.SwarmID(state.SwarmID) == swarm.NoSwarm {
			continue
		}
		list = append(list, key[:]...)
		list = binary.BigEndian.AppendUint64(list, state.SwarmID)
		list = n.appendContact(list, state)
	}
	return jsonAnswer(storage.StatusOK, base64.StdEncoding.EncodeToString(list))
}

// appendContact appends the IPv4 address, the two ports and the version of a node.
func (n *Node) appendContact(list []byte, state nodelist.State) []byte {
	ip, err := netip.ParseAddr(state.PublicIP)
	if err != nil || !ip.Is4() || ip.IsUnspecified() || state.StoragePort == 0 {
		return append(list, make([]byte, 4+2+2+3)...)
	}
	list = append(list, ip.AsSlice()...)
	list = binary.BigEndian.AppendUint16(list, state.StoragePort)
	list = binary.BigEndian.AppendUint16(list, state.StoragePort)
	for _, part := range n.behaviour.Version {
		list = append(list, byte(part))
	}
	return list
}

// withoutAddress returns the registered members of a swarm that have no address, as later servers list them.
func withoutAddress(view *ring.View, id swarm.SwarmID) (members []rpc28.Member) {
	for _, state := range view.States {
		legacy, ok := ring.ParseKey(state.PubkeyLegacy)
		if !ok || swarm.SwarmID(state.SwarmID) != id || view.Peers[state.PubkeyEd25519] != nil {
			continue
		}
		members = append(members, rpc28.Member{Snode: storage.Snode{
			Address: storage.SnodeAddress(legacy), IP: "0.0.0.0", Port: strconv.Itoa(0),
			PubkeyEd25519: state.PubkeyEd25519, PubkeyX25519: state.PubkeyX25519,
		}, PubkeyLegacy: state.PubkeyLegacy})
	}
	return members
}

// oxendAnswer is the 200 of oxend_request.
type oxendAnswer struct {
	Result nodelist.Answer `json:"result"`
	rpc28.Clock
}

// readOxend reads a request to the blockchain node behind a storage server. Here the directory takes its place, and
// only the request for the node list is supported.
func (n *Node) readOxend(p *parameters) task {
	p.require("endpoint")
	if endpoint := p.text("endpoint"); p.err == nil && endpoint != nodelist.Endpoint {
		p.fail("Invalid oxend endpoint '%.50s'", endpoint)
	}
	var params nodelist.Query
	if p.has("params") {
		if err := json.Unmarshal([]byte(p.fields["params"].Raw), &params); err != nil {
			p.fail("Invalid value given for 'params': expected parameters of %s", nodelist.Endpoint)
		}
	}
	return func(context.Context) (answer, error) {
		view := n.members.View()
		states := make([]nodelist.State, 0, len(view.Peers))
		for _, id := range view.IDs {
			for _, p := range view.Swarms[id] {
				states = append(states, p.Listed)
			}
		}
		list := nodelist.Answer{
			States: params.Select(states), Height: view.Height, BlockHash: view.BlockHash, Status: "OK",
		}
		return jsonAnswer(storage.StatusOK, oxendAnswer{list, n.clock()})
	}
}
