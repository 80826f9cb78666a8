package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/swarm"
)

// handOverParallel bounds the nodes to which messages are offered concurrently.
const handOverParallel = 8

// handOver gives messages that belong to other swarms to all members of those swarms. Messages come to belong to
// another swarm when swarms are added or removed or this node moves. They follow from the store and the node list, so
// that a restart loses no work. handOver remembers which nodes have them until the swarms change again. The messages
// stay at this node until they expire, as in the 2020 server. handOver is safe for concurrent use.
type handOver struct {
	log   *slog.Logger
	offer func(ctx context.Context, to *ring.Peer, owners []string) error
	find  func(view *ring.View) (map[swarm.SwarmID][]string, error) // stored owners of other swarms
	pause func(about time.Duration) time.Duration                   // a random time
	wake  chan struct{}

	mu         sync.Mutex
	round      int                      // counts changes that can bring new work
	view       *ring.View               // the latest view
	done       map[string]swarm.SwarmID // by node: the swarm whose messages it has completely
	incomplete bool                     // a node may lack messages
}

func newHandOver(
	log *slog.Logger, offer func(context.Context, *ring.Peer, []string) error,
	find func(*ring.View) (map[swarm.SwarmID][]string, error), pause func(about time.Duration) time.Duration,
) *handOver {
	return &handOver{
		log: log, offer: offer, find: find, pause: pause, wake: make(chan struct{}, 1),
		done: make(map[string]swarm.SwarmID),
	}
}

// setView starts a round for a new view of the network.
func (h *handOver) setView(view *ring.View) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.view == nil || !h.view.SameSwarms(view) {
		clear(h.done)
	}
	h.view = view
	h.startRound()
}

// restart starts a round that offers messages to every node again, because messages of another swarm were stored.
func (h *handOver) restart() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.done)
	h.startRound()
}

// startRound starts a round. The caller holds h.mu.
func (h *handOver) startRound() {
	h.round++
	h.incomplete = true
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// pending reports whether a node may lack messages of its swarm.
func (h *handOver) pending() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.incomplete
}

// run hands over until ctx ends.
func (h *handOver) run(ctx context.Context) {
	delay := firstRetry
	var retry <-chan time.Time
	for {
		select {
		case <-h.wake:
			delay = firstRetry
		case <-retry:
		case <-ctx.Done():
			return
		}
		retry = nil
		if err := h.handOver(ctx); err != nil && ctx.Err() == nil {
			h.log.Debug("handing over messages", "error", err)
			retry = time.After(h.pause(delay))
			delay = min(2*delay, lastRetry)
		}
	}
}

// handOver makes one pass over all nodes of the swarms that stored messages belong to.
func (h *handOver) handOver(ctx context.Context) error {
	h.mu.Lock()
	view, round := h.view, h.round
	h.mu.Unlock()
	if view == nil || view.Self == nil {
		return nil // all nodes refuse an unlisted one
	}
	owners, err := h.find(view)
	if err != nil {
		return err
	}
	errs := make(chan error, len(view.Peers))
	places := make(chan struct{}, handOverParallel)
	var group sync.WaitGroup
	for id, keys := range owners {
		for _, p := range view.Swarms[id] {
			if h.isDone(p) {
				continue
			}
			select {
			case places <- struct{}{}:
			case <-ctx.Done():
				continue
			}
			group.Go(func() {
				defer func() { <-places }()
				errs <- h.give(ctx, p, keys, round)
			})
		}
	}
	group.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil && ctx.Err() == nil && round == h.round {
		h.incomplete = false
	}
	return err
}

func (h *handOver) isDone(p *ring.Peer) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	id, ok := h.done[p.Name()]
	return ok && id == p.Swarm
}

func (h *handOver) give(ctx context.Context, p *ring.Peer, owners []string, round int) error {
	err := h.offer(ctx, p, owners)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil && round == h.round {
		h.done[p.Name()] = p.Swarm
	}
	return err
}

// foreignOwners returns, by swarm, the owners of stored messages that belong to other swarms.
func (rep *Replication) foreignOwners(view *ring.View) (map[swarm.SwarmID][]string, error) {
	owners, err := rep.store.Owners(func(owner string) bool { return !view.Owns(owner) })
	found := make(map[swarm.SwarmID][]string)
	for _, owner := range owners {
		if id, ok := view.SwarmIDOf(owner); ok {
			found[id] = append(found[id], owner)
		}
	}
	return found, err
}

// HandOverIfMoved starts the hand-over again if messages that were accepted under the view seen belong to another swarm
// now. The caller calls it after it has stored them, because the hand-over that came with a change of the view may have
// missed them.
func (rep *Replication) HandOverIfMoved(seen *ring.View, messages ...store.Message) {
	now := rep.members.View()
	if now == seen {
		return
	}
	for _, m := range messages {
		if !now.Owns(m.PubKey) {
			rep.handOver.restart()
			return
		}
	}
}

// errIncomplete reports a node that did not store all messages that it was given.
var errIncomplete = errors.New("node lacks messages of its swarm")

// offerTo gives a node all messages of owners that it lacks, and their tombstones. The error is errIncomplete if the
// node still lacks messages.
func (rep *Replication) offerTo(ctx context.Context, to *ring.Peer, owners []string) error {
	var names, tombstones []store.Name
	var incomplete error
	total := 0
	for i, owner := range owners {
		first, now := store.Name{}, rep.now().UnixMilli()
		copy(first[:], owner)
		all := func(string) bool { return true }
		err := rep.store.Scan(first, now, all, func(name store.Name, version store.Version) bool {
			if name.Owner() != owner {
				return false
			}
			if version.Deleted {
				tombstones = append(tombstones, name)
			} else {
				names = append(names, name)
			}
			return true
		})
		if err != nil {
			return err
		}
		for last := i == len(owners)-1; len(names) >= MaxNames || last && len(names) > 0; {
			page := names[:min(len(names), MaxNames)]
			given, err := rep.offerPage(ctx, to, page)
			if errors.Is(err, errIncomplete) {
				incomplete = err // the other messages are offered nevertheless
			} else if err != nil {
				return err
			}
			names, total = names[len(page):], total+given
		}
	}
	// An offer does not cover tombstones: a node that knows the message's name may still lack its tombstone.
	if _, err := rep.give(ctx, to, tombstones); err != nil {
		return err
	}
	if total > 0 {
		rep.log.Info("handed over messages", "to", to.Name(), "count", total)
	}
	return incomplete
}

// offerPage offers messages, gives those that the node lacks, and offers these again to verify that they were stored.
func (rep *Replication) offerPage(ctx context.Context, to *ring.Peer, names []store.Name) (given int, err error) {
	wanted, elsewhere, err := rep.wantedOf(ctx, to, names)
	if err != nil {
		return 0, err
	}
	left := wanted
	if len(wanted) > 0 {
		if given, err = rep.give(ctx, to, wanted); err != nil {
			return given, err
		}
		if left, _, err = rep.wantedOf(ctx, to, wanted); err != nil {
			return given, err
		}
	}
	if elsewhere || len(left) > 0 {
		return given, errIncomplete
	}
	return given, nil
}

// wantedOf offers messages to a node. It returns those that the node lacks, and whether in the node's view some belong
// to another swarm.
func (rep *Replication) wantedOf(
	ctx context.Context, to *ring.Peer, names []store.Name,
) (wanted []store.Name, elsewhere bool, err error) {
	verdicts, err := rep.caller.Call(ctx, to, OfferPath, appendNames(nil, names), MaxNames)
	if err != nil {
		return nil, false, err
	}
	if len(verdicts) != len(names) {
		return nil, false, fmt.Errorf("answer to an offer of %d messages has %d bytes", len(names), len(verdicts))
	}
	for i, verdict := range verdicts {
		switch verdict {
		case offerWants:
			wanted = append(wanted, names[i])
		case offerNotMine:
			elsewhere = true
		}
	}
	return wanted, elsewhere, nil
}
