package node

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
)

// replicator gives what clients store here to the other members of the swarm, by an outbox for each of them. What they
// have yet to get is in the store's queue and survives restarts of either side. It is safe for concurrent use.
type replicator struct {
	log    *slog.Logger
	caller *caller
	store  *store.Store
	back   func(peer string) // called when a peer takes messages again after it did not
	tasks  sync.WaitGroup    // one per outbox

	mu       sync.Mutex
	outboxes map[string]*peerOutbox // by the peer's name
}

// peerOutbox is an outbox and where its peer is to be found at the moment.
type peerOutbox struct {
	*outbox
	target atomic.Pointer[ring.Peer]
}

func newReplicator(log *slog.Logger, caller *caller, store *store.Store, back func(peer string)) *replicator {
	return &replicator{log: log, caller: caller, store: store, back: back, outboxes: make(map[string]*peerOutbox)}
}

// setPeers makes peers the receivers. What nodes that are no longer among them had yet to get is forgotten; outboxes of
// nodes that moved are kept. New ones work until ctx ends.
func (r *replicator) setPeers(ctx context.Context, peers []*ring.Peer) error {
	names := make([]string, len(peers))
	for i, p := range peers {
		names[i] = p.Name()
	}
	if err := r.store.SetPeers(names); err != nil {
		return fmt.Errorf("keeping the queue for peers: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	gone := r.outboxes
	r.outboxes = make(map[string]*peerOutbox, len(peers))
	for _, p := range peers {
		box := gone[p.Name()]
		delete(gone, p.Name())
		if box == nil {
			box = r.open(ctx, p)
		}
		box.target.Store(p)
		r.outboxes[p.Name()] = box
	}
	for _, box := range gone {
		box.stop()
	}
	return nil
}

// open starts the outbox of a peer.
func (r *replicator) open(ctx context.Context, p *ring.Peer) *peerOutbox {
	ctx, cancel := context.WithCancel(ctx)
	name := p.Name()
	box := &peerOutbox{outbox: newOutbox(r.log.With("peer", name), cancel)}
	box.target.Store(p)
	box.next = func() (store.Batch, error) { return r.store.Pending(name, r.caller.now().UnixMilli()) }
	box.send = func(ctx context.Context, b store.Batch) error { return r.send(ctx, box.target.Load(), b.Body) }
	box.done = func(b store.Batch) { r.store.Delivered(name, b.Next) }
	box.back = func() { r.back(name) }
	r.tasks.Go(func() { box.run(ctx) })
	return box
}

// signal tells all outboxes that there are new messages in the queue.
func (r *replicator) signal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, box := range r.outboxes {
		box.signal()
	}
}

// wait returns when all outboxes have ended, which they do when the contexts given to setPeers have.
func (r *replicator) wait() { r.tasks.Wait() }

// send pushes encoded messages to a peer.
func (r *replicator) send(ctx context.Context, to *ring.Peer, body []byte) error {
	text, err := r.caller.call(ctx, to, PushPath, body, maxPushAnswer)
	if err != nil {
		return err
	}
	counts, err := parsePushAnswer(text)
	if err != nil {
		return fmt.Errorf("reading the answer to a push: %w", err)
	}
	if counts.Refused > 0 {
		r.log.Info("peer refuses messages", "peer", to.Name(), "refused", counts.Refused, "stored", counts.Stored)
	}
	return nil
}
