package route

import (
	"errors"
	"slices"
	"sync"

	"sessiontool/lib/network"
)

// errNotMember is what a node says with a 421.
var errNotMember = errors.New("not a member of the swarm")

// members are the nodes of a swarm that are still to be asked. Several goroutines take from them at once; each node is
// given out once.
type members struct {
	mu    sync.Mutex
	queue []network.Node
	taken map[network.Key]bool
}

// newMembers starts with nodes, in their order, but for those in besides.
func newMembers(nodes []network.Node, besides ...network.Key) *members {
	m := &members{queue: nodes, taken: make(map[network.Key]bool)}
	for _, key := range besides {
		m.taken[key] = true
	}
	return m
}

// next takes a node.
func (m *members) next() (network.Node, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.queue) > 0 {
		node := m.queue[0]
		m.queue = m.queue[1:]
		if !m.taken[node.Ed25519] {
			m.taken[node.Ed25519] = true
			return node, true
		}
	}
	return network.Node{}, false
}

// prefer puts nodes in front, because the others turned out not to be members, or not to be all.
func (m *members) prefer(nodes []network.Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue = slices.Concat(nodes, m.queue)
}
