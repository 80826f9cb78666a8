package node

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"sessiontool/lib/rpc"
	"sessiontool/lib/swarm"
)

// maxMembers bounds the node list; the real network has about 2 000 nodes.
const maxMembers = 20000

// directoryTimeout bounds one call to the directory.
const directoryTimeout = 10 * time.Second

// peer is a registered node, this one included.
type peer struct {
	ed25519  [32]byte
	snode    rpc.Snode // PubkeyEd25519 is the peer's name
	listed   rpc.NodeState
	swarm    swarm.SwarmID
	hostPort string
	at       string
}

// newPeer reads an entry of the node list. An entry without keys or without a place to reach it is no peer.
func newPeer(state rpc.NodeState) (*peer, bool) {
	ed25519, ok := decodeKey(state.PubkeyEd25519)
	if !ok {
		return nil, false
	}
	x25519, ok := decodeKey(state.PubkeyX25519)
	if !ok {
		return nil, false
	}
	legacy, ok := decodeKey(state.PubkeyLegacy)
	if !ok || state.StoragePort == 0 || net.ParseIP(state.PublicIP) == nil {
		return nil, false
	}
	port := strconv.Itoa(int(state.StoragePort))
	return &peer{
		ed25519: ed25519,
		snode: rpc.Snode{
			Address:       rpc.SnodeAddress(legacy),
			IP:            state.PublicIP,
			Port:          port,
			PubkeyEd25519: hex.EncodeToString(ed25519[:]),
			PubkeyX25519:  hex.EncodeToString(x25519[:]),
		},
		listed:   state,
		swarm:    swarm.SwarmID(state.SwarmID),
		hostPort: net.JoinHostPort(state.PublicIP, port),
		at:       rpc.SnodeAddress(ed25519),
	}, true
}

// name is the peer's Ed25519 key in lower-case hex.
func (p *peer) name() string { return p.snode.PubkeyEd25519 }

// address is the peer's Ed25519 key as other nodes name it in URLs; for nodes without a separate legacy key that is the
// address that clients see.
func (p *peer) address() string { return p.at }

func decodeKey(text string) (key [32]byte, ok bool) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(key) {
		return key, false
	}
	return [32]byte(raw), true
}

// view is the network as one node list shows it. It never changes.
type view struct {
	blockHash string
	height    uint64
	peers     map[string]*peer // by name; decommissioned ones included
	addresses map[string]*peer // the same by address
	swarms    map[swarm.SwarmID][]*peer
	ids       []swarm.SwarmID // the keys of swarms
	self      *peer           // nil if the list lacks this node
}

// newView reads a node list. Swarm members stay in the list's order; of entries with the same key the first counts.
func newView(result *rpc.ServiceNodesResult, self string) (*view, error) {
	if len(result.States) > maxMembers {
		return nil, fmt.Errorf("node list has %d entries, more than %d", len(result.States), maxMembers)
	}
	v := &view{
		blockHash: result.BlockHash,
		height:    result.Height,
		peers:     make(map[string]*peer, len(result.States)),
		addresses: make(map[string]*peer, len(result.States)),
		swarms:    make(map[swarm.SwarmID][]*peer),
	}
	for _, state := range result.States {
		p, ok := newPeer(state)
		if !ok || v.peers[p.name()] != nil {
			continue
		}
		v.peers[p.name()], v.addresses[p.address()] = p, p
		if p.swarm == swarm.NoSwarm {
			continue
		}
		if v.swarms[p.swarm] == nil {
			v.ids = append(v.ids, p.swarm)
		}
		v.swarms[p.swarm] = append(v.swarms[p.swarm], p)
	}
	v.self = v.peers[self]
	return v, nil
}

// ready reports whether this node belongs to a swarm, without which it serves nobody (storage-2.0.md section 1.2).
func (v *view) ready() bool { return v.self != nil && v.self.swarm != swarm.NoSwarm }

// swarmIDOf returns the swarm that keeps pubKey's messages. There is none in an empty network only.
func (v *view) swarmIDOf(pubKey string) (swarm.SwarmID, bool) {
	return swarm.Choose(swarm.Position(lenientKey(pubKey)), v.ids)
}

// swarmOf returns the members of the swarm that keeps pubKey's messages.
func (v *view) swarmOf(pubKey string) []*peer {
	id, ok := v.swarmIDOf(pubKey)
	if !ok {
		return nil
	}
	return v.swarms[id]
}

// owns reports whether this node's swarm keeps pubKey's messages.
func (v *view) owns(pubKey string) bool {
	id, ok := v.swarmIDOf(pubKey)
	return ok && v.ready() && id == v.self.swarm
}

// others returns the other members of this node's swarm.
func (v *view) others() []*peer {
	if !v.ready() {
		return nil
	}
	var others []*peer
	for _, p := range v.swarms[v.self.swarm] {
		if p != v.self {
			others = append(others, p)
		}
	}
	return others
}

// lenientKey reads a public key, prefix included, for its place on the ring alone: four numbers of 16 hex digits, of
// which each ends at its first character that is no digit, as with C's strtoull (storage-2.0.md sections 2.4 and 4).
func lenientKey(pubKey string) (key [32]byte) {
	if len(pubKey) != rpc.PubKeyTextLength {
		return key
	}
	for word := range 4 {
		text := pubKey[2+16*word:][:16]
		digits := 0
		for digits < len(text) && isHexDigit(text[digits]) {
			digits++
		}
		number, _ := strconv.ParseUint(text[:digits], 16, 64) // no digits at all: 0
		for i := range 8 {
			key[8*word+i] = byte(number >> (56 - 8*i))
		}
	}
	return key
}

func isHexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// members keeps the current view of the network. It is safe for concurrent use.
type members struct {
	directory Directory
	self      string // this node's name
	log       *slog.Logger
	changed   func(old, new *view) // called by one goroutine, once per new node list
	current   atomic.Pointer[view]
	acting    atomic.Bool // changed has not returned yet for the current view
}

func newMembers(directory Directory, self string, log *slog.Logger, changed func(old, new *view)) *members {
	m := &members{directory: directory, self: self, log: log, changed: changed}
	m.current.Store(&view{})
	return m
}

// view returns the network as last seen; before the first answer of the directory, an empty one.
func (m *members) view() *view { return m.current.Load() }

// refresh asks the directory once.
func (m *members) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, directoryTimeout)
	defer cancel()
	old := m.view()
	result, err := m.directory.Nodes(ctx, old.blockHash)
	if err != nil || result.Unchanged || old.blockHash != "" && result.BlockHash == old.blockHash {
		return err
	}
	fresh, err := newView(result, m.self)
	if err != nil {
		return err
	}
	m.acting.Store(true) // before anybody sees the new view
	m.current.Store(fresh)
	m.changed(old, fresh)
	m.acting.Store(false)
	m.log.Debug("new node list", "block", fresh.blockHash, "nodes", len(fresh.peers), "swarms", len(fresh.ids), "ready", fresh.ready())
	return nil
}

// pollLoop refreshes every interval until ctx ends. While the directory is silent the last view stays in force; that
// it went silent is logged once.
func (m *members) pollLoop(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	silent := false
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		err := m.refresh(ctx)
		if err != nil && !silent && ctx.Err() == nil {
			m.log.Warn("asking for the node list", "error", err)
		}
		silent = err != nil
	}
}
