// Package ring is a service node's place in the network: its keys and certificates, the directory that lists all nodes,
// and the view of swarms that follows from the list.
//
// [Members] polls a [Directory] and keeps the current [View]. A View maps an owner to a swarm and a swarm to its
// members. A [Seed] is a directory reached over HTTP. [Keys] name a node, sign for it and decrypt its onion layers.
// [VerifyPeer] checks in TLS that a connection leads to the intended node.
package ring

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/swarm"
	"sessiontool/lib/x25519"
	"sessiontool/lib/xeddsa"
)

// maxMembers bounds the node list; the real network has about 2 000 nodes.
const maxMembers = 20000

// directoryTimeout bounds one call to the directory.
const directoryTimeout = 10 * time.Second

// Peer is a registered node, this one included. Its fields never change.
type Peer struct {
	Ed25519      [32]byte
	Snode        storage.Snode // as clients see the node
	Listed       nodelist.State
	Swarm        swarm.SwarmID
	HostPort     string
	snodeAddress string
}

// newPeer reads an entry of the node list. It returns false for an entry without usable keys or without an address.
// With an Ed25519 key of low order any party could sign as the node.
func newPeer(state nodelist.State) (*Peer, bool) {
	edKey, ok := ParseKey(state.PubkeyEd25519)
	if !ok || !xeddsa.UsableKey(edKey) {
		return nil, false
	}
	xKey, ok := ParseKey(state.PubkeyX25519)
	if !ok || x25519.PublicKey(xKey).LowOrder() {
		return nil, false
	}
	legacy, ok := ParseKey(state.PubkeyLegacy)
	ip := net.ParseIP(state.PublicIP)
	if !ok || state.StoragePort == 0 || ip == nil || ip.IsUnspecified() {
		return nil, false
	}
	port := strconv.Itoa(int(state.StoragePort))
	return &Peer{
		Ed25519: edKey,
		Snode: storage.Snode{
			Address:       storage.SnodeAddress(legacy),
			IP:            state.PublicIP,
			Port:          port,
			PubkeyEd25519: hex.EncodeToString(edKey[:]),
			PubkeyX25519:  hex.EncodeToString(xKey[:]),
		},
		Listed:       state,
		Swarm:        swarm.SwarmID(state.SwarmID),
		HostPort:     net.JoinHostPort(state.PublicIP, port),
		snodeAddress: storage.SnodeAddress(edKey),
	}, true
}

// Name returns the peer's Ed25519 key in lower-case hex.
func (p *Peer) Name() string { return p.Snode.PubkeyEd25519 }

// Address returns the peer's Ed25519 key as peers write it in URLs. For a node without a separate legacy key it is
// also the address that clients see.
func (p *Peer) Address() string { return p.snodeAddress }

// ParseKey reads a 32-byte key from 64 hex digits.
func ParseKey(text string) (key [32]byte, ok bool) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(key) {
		return key, false
	}
	return [32]byte(raw), true
}

// View is the network as one node list shows it. It never changes.
type View struct {
	BlockHash string
	Height    uint64
	Peers     map[string]*Peer // by name; decommissioned nodes included
	Addresses map[string]*Peer // the same nodes by address
	Swarms    map[swarm.SwarmID][]*Peer
	IDs       []swarm.SwarmID  // the keys of swarms
	Self      *Peer            // nil if the list lacks this node
	States    []nodelist.State // the list itself, with nodes that are no peers
}

// NewView makes the view of a node list of at most maxMembers entries. Members of a swarm stay in the list's order. Of
// entries with the same key the first counts. self is the name of this node.
func NewView(result *nodelist.Result, self string) (*View, error) {
	if len(result.States) > maxMembers {
		return nil, fmt.Errorf("node list has %d entries, more than %d", len(result.States), maxMembers)
	}
	v := &View{
		BlockHash: result.BlockHash,
		Height:    result.Height,
		Peers:     make(map[string]*Peer, len(result.States)),
		Addresses: make(map[string]*Peer, len(result.States)),
		Swarms:    make(map[swarm.SwarmID][]*Peer),
		States:    result.States,
	}
	for _, state := range result.States {
		p, ok := newPeer(state)
		if !ok || v.Peers[p.Name()] != nil {
			continue
		}
		v.Peers[p.Name()], v.Addresses[p.Address()] = p, p
		if p.Swarm == swarm.NoSwarm {
			continue
		}
		if v.Swarms[p.Swarm] == nil {
			v.IDs = append(v.IDs, p.Swarm)
		}
		v.Swarms[p.Swarm] = append(v.Swarms[p.Swarm], p)
	}
	v.Self = v.Peers[self]
	return v, nil
}

// Ready reports whether this node belongs to a swarm. A node that does not serves no clients (storage-2.0.md section
// 1.2).
func (v *View) Ready() bool { return v.Self != nil && v.Self.Swarm != swarm.NoSwarm }

// SwarmIDOf returns the swarm that keeps pubKey's messages. It returns false only for an empty network.
func (v *View) SwarmIDOf(pubKey string) (swarm.SwarmID, bool) {
	return swarm.Choose(swarm.Position(lenientKey(pubKey)), v.IDs)
}

// SwarmOf returns the members of the swarm that keeps pubKey's messages, nil for an empty network.
func (v *View) SwarmOf(pubKey string) []*Peer {
	id, ok := v.SwarmIDOf(pubKey)
	if !ok {
		return nil
	}
	return v.Swarms[id]
}

// Owns reports whether this node's swarm keeps pubKey's messages.
func (v *View) Owns(pubKey string) bool {
	id, ok := v.SwarmIDOf(pubKey)
	return ok && v.Ready() && id == v.Self.Swarm
}

// Others returns the other members of this node's swarm.
func (v *View) Others() []*Peer {
	if !v.Ready() {
		return nil
	}
	var others []*Peer
	for _, p := range v.Swarms[v.Self.Swarm] {
		if p != v.Self {
			others = append(others, p)
		}
	}
	return others
}

// lenientKey reads a public key, prefix included, for its position on the ring only: four numbers of 16 hex digits,
// each of which ends at its first other character, as with C's strtoull (storage-2.0.md sections 2.4 and 4).
func lenientKey(pubKey string) (key [32]byte) {
	if len(pubKey) != storage.PubkeyTextLength {
		return key
	}
	for word := range 4 {
		text := pubKey[2+16*word:][:16]
		digits := 0
		for digits < len(text) && isHexDigit(text[digits]) {
			digits++
		}
		number, _ := strconv.ParseUint(text[:digits], 16, 64) // 0 if there are no digits
		for i := range 8 {
			key[8*word+i] = byte(number >> (56 - 8*i))
		}
	}
	return key
}

func isHexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// Members keeps the current view of the network. It is safe for concurrent use.
type Members struct {
	directory Directory
	self      string // this node's name
	log       *slog.Logger
	changed   func(old, new *View) // called once per new node list, by the goroutine of Refresh
	current   atomic.Pointer[View]
	acting    atomic.Bool // changed has not returned yet for the current view
}

// NewMembers makes Members for the node called self, with an empty view. changed is called with the old and the new
// view for each new node list.
func NewMembers(directory Directory, self string, log *slog.Logger, changed func(old, new *View)) *Members {
	m := &Members{directory: directory, self: self, log: log, changed: changed}
	m.current.Store(&View{})
	return m
}

// View returns the current view. It is empty before the directory's first answer.
func (m *Members) View() *View { return m.current.Load() }

// Refresh makes one call to the directory, of at most directoryTimeout, and adopts a new list.
func (m *Members) Refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, directoryTimeout)
	defer cancel()
	old := m.View()
	result, err := m.directory.Nodes(ctx, old.BlockHash)
	if err != nil || result.Unchanged || old.BlockHash != "" && result.BlockHash == old.BlockHash {
		return err
	}
	fresh, err := NewView(result, m.self)
	if err != nil {
		return err
	}
	m.acting.Store(true) // before other goroutines see the new view
	m.current.Store(fresh)
	m.changed(old, fresh)
	m.acting.Store(false)
	m.log.Debug("new node list", "block", fresh.BlockHash,
		"nodes", len(fresh.Peers), "swarms", len(fresh.IDs), "ready", fresh.Ready())
	return nil
}

// Poll calls [Members.Refresh] every interval until ctx ends. While calls fail the last view stays in force, and the
// log has one line for each series of failures.
func (m *Members) Poll(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	silent := false
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		err := m.Refresh(ctx)
		if err != nil && !silent && ctx.Err() == nil {
			m.log.Warn("fetching the node list", "error", err)
		}
		silent = err != nil
	}
}

// SameSwarms reports whether both views have the same swarms on the ring, with this node in the same one.
func (v *View) SameSwarms(other *View) bool {
	if v.Ready() != other.Ready() || v.Ready() && v.Self.Swarm != other.Self.Swarm || len(v.IDs) != len(other.IDs) {
		return false
	}
	for _, id := range v.IDs {
		if other.Swarms[id] == nil {
			return false
		}
	}
	return true
}

// SharesSwarm reports whether p is a member of this node's swarm.
func (v *View) SharesSwarm(p *Peer) bool { return v.Ready() && p.Swarm == v.Self.Swarm }

// Acting reports whether changed has not returned yet for the current view.
func (m *Members) Acting() bool { return m.acting.Load() }

// Set makes v the current view without calling changed. It is for tests.
func (m *Members) Set(v *View) { m.current.Store(v) }
