package replication

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
)

// senders sends what clients store at this node to the other members of the swarm, with one sender for each. Pending
// changes are in the store's queue, which survives restarts of both sides. senders is safe for concurrent use.
type senders struct {
	log       *slog.Logger
	caller    *peerhttp.Caller
	store     *store.Store
	recovered func(peer string) // called at a peer's first success after failures
	tasks     sync.WaitGroup    // one per sender

	mu     sync.Mutex
	byPeer map[string]*peerSender // by the peer's name
}

// peerSender is a sender and the present address of its peer.
type peerSender struct {
	*sender
	target atomic.Pointer[ring.Peer]
}

func newSenders(log *slog.Logger, caller *peerhttp.Caller, store *store.Store, recovered func(peer string)) *senders {
	return &senders{log: log, caller: caller, store: store, recovered: recovered, byPeer: make(map[string]*peerSender)}
}

// setPeers makes peers the receivers and drops the queued changes for other nodes. Senders of known peers continue,
// even at a new address. New senders work until ctx ends.
func (s *senders) setPeers(ctx context.Context, peers []*ring.Peer) error {
	names := make([]string, len(peers))
	for i, p := range peers {
		names[i] = p.Name()
	}
	if err := s.store.SetPeers(names); err != nil {
		return fmt.Errorf("setting the peers of the queue: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := s.byPeer
	s.byPeer = make(map[string]*peerSender, len(peers))
	for _, p := range peers {
		box := gone[p.Name()]
		delete(gone, p.Name())
		if box == nil {
			box = s.start(ctx, p)
		}
		box.target.Store(p)
		s.byPeer[p.Name()] = box
	}
	for _, box := range gone {
		box.stop()
	}
	return nil
}

// start starts the sender of a peer.
func (s *senders) start(ctx context.Context, p *ring.Peer) *peerSender {
	ctx, cancel := context.WithCancel(ctx)
	name := p.Name()
	box := &peerSender{sender: newSender(s.log.With("peer", name), cancel)}
	box.target.Store(p)
	box.next = func() (store.Batch, error) { return s.store.Pending(name, s.caller.Now().UnixMilli()) }
	box.send = func(ctx context.Context, b store.Batch) error { return s.send(ctx, box.target.Load(), b.Body) }
	box.done = func(b store.Batch) { s.store.Delivered(name, b.Next) }
	box.recovered = func() { s.recovered(name) }
	s.tasks.Go(func() { box.run(ctx) })
	return box
}

// wakeAll wakes all senders. The caller has queued changes.
func (s *senders) wakeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, box := range s.byPeer {
		box.wakeUp()
	}
}

// wait returns when all senders have ended. They end with the contexts given to setPeers.
func (s *senders) wait() { s.tasks.Wait() }

// send pushes encoded records to a peer.
func (s *senders) send(ctx context.Context, to *ring.Peer, body []byte) error {
	text, err := s.caller.Call(ctx, to, PushPath, body, maxPushAnswer)
	if err != nil {
		return err
	}
	counts, err := parsePushAnswer(text)
	if err != nil {
		return fmt.Errorf("reading the answer to a push: %w", err)
	}
	if counts.Refused > 0 {
		s.log.Info("peer refuses messages", "peer", to.Name(), "refused", counts.Refused, "stored", counts.Stored)
	}
	return nil
}
