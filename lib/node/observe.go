package node

import (
	"net/http"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
)

// EventKind names what a node has done.
type EventKind uint8

// The events of a node.
const (
	EventRelayed    EventKind = iota + 1 // it passes an onion request on to Peer
	EventExited                          // an onion request ends here
	EventLost                            // Peer, the next hop of an onion request, has not answered
	EventServed                          // it has answered a storage request of this Method with Status
	EventStored                          // a client's message is on its disk
	EventReplicated                      // messages and changes that Peer has sent are on its disk
)

// Event is something that a node has done. It never contains an owner's key or the content of a message. A field that
// does not belong to the kind is zero.
type Event struct {
	Kind   EventKind
	Hop    int      // number of relays that an onion request has passed before this node
	Peer   string   // the other node's Ed25519 key in hex
	Method string   // as in the counts of [Stats]
	Status int      // HTTP status
	Count  int      // messages and changes that were replicated
	Hashes []string // of stored messages, at most maxEventHashes, as clients see them
}

// maxEventHashes bounds the hashes of an event.
const maxEventHashes = 32

// Observe makes the node call observe with each event from now on. nil ends that. The calls come from the goroutines
// that serve requests, so observe must be fast and safe for concurrent use. A node without an observer does no work for
// one.
func (n *Node) Observe(observe func(Event)) {
	if observe == nil {
		n.observer.Store(nil)
		return
	}
	n.observer.Store(&observe)
}

// report calls the observer.
func (n *Node) report(e Event) {
	if observe := n.observer.Load(); observe != nil {
		(*observe)(e)
	}
}

// reportLost reports that the next hop of an onion request has not answered, unless the sender has given the request up
// or this node is closing.
func (n *Node) reportLost(r *http.Request, next *ring.Peer, hop int) {
	if r.Context().Err() == nil && n.relaying.Err() == nil {
		n.report(Event{Kind: EventLost, Hop: hop, Peer: next.Name()})
	}
}

// reportStored reports a message that a client has stored.
func (n *Node) reportStored(m store.Message) {
	if n.observer.Load() != nil {
		n.report(Event{Kind: EventStored, Hashes: []string{m.HashText()}})
	}
}

// reportReplicated reports what from has sent: messages, and records in all, with deletions.
func (n *Node) reportReplicated(from *ring.Peer, messages []store.Message, records int) {
	if n.observer.Load() == nil {
		return
	}
	e := Event{Kind: EventReplicated, Peer: from.Name(), Count: records}
	for _, m := range messages[:min(len(messages), maxEventHashes)] {
		e.Hashes = append(e.Hashes, m.HashText())
	}
	n.report(e)
}

// Version returns the version that the node gives as its own.
func (n *Node) Version() [3]int { return n.behaviour.Version }

// View returns the network as the node's present list shows it.
func (n *Node) View() *ring.View { return n.members.View() }

// MaxBytes returns the size of the database at which the node refuses messages.
func (n *Node) MaxBytes() int64 { return n.store.MaxBytes() }

// Difficulty returns the proof of work that the node requires now.
func (n *Node) Difficulty() uint64 { return n.difficulty.Current() }
