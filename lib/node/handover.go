package node

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/swarm"
)

// handOverParallel is how many nodes are offered messages at a time.
const handOverParallel = 8

// handOver gives messages that now belong to other swarms, because swarms came or went or this node moved, to all
// members there. Which these are is found in the store and the node list, so that a restart forgets nothing; who has
// them is remembered until the swarms change again. The messages stay here until they expire, as with the 2020 server.
// It is safe for concurrent use.
type handOver struct {
	log   *slog.Logger
	offer func(ctx context.Context, to *ring.Peer, owners []string) error
	find  func(view *ring.View) (map[swarm.SwarmID][]string, error) // owners of other swarms whose messages are here
	wake  chan struct{}

	mu    sync.Mutex
	round int                      // counts changes that can bring new work
	view  *ring.View               // the network that work is for
	done  map[string]swarm.SwarmID // nodes that have all that is for the swarm
	owing bool                     // there may be somebody who has not got everything
}

func newHandOver(log *slog.Logger, offer func(context.Context, *ring.Peer, []string) error, find func(*ring.View) (map[swarm.SwarmID][]string, error)) *handOver {
	return &handOver{log: log, offer: offer, find: find, wake: make(chan struct{}, 1), done: make(map[string]swarm.SwarmID)}
}

// setView tells how the network looks now.
func (h *handOver) setView(view *ring.View) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.view == nil || !h.view.SameSwarms(view) {
		clear(h.done)
	}
	h.view = view
	h.begin()
}

// again makes everything be offered again, because messages of another swarm have come.
func (h *handOver) again() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.done)
	h.begin()
}

// begin starts a round. The caller holds h.mu.
func (h *handOver) begin() {
	h.round++
	h.owing = true
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// pending reports whether somebody may not have got everything yet.
func (h *handOver) pending() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.owing
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
			retry = time.After(jitter(delay))
			delay = min(2*delay, lastRetry)
		}
	}
}

// handOver goes once through all nodes that have something to get.
func (h *handOver) handOver(ctx context.Context) error {
	h.mu.Lock()
	view, round := h.view, h.round
	h.mu.Unlock()
	if view == nil || view.Self == nil {
		return nil // nobody would listen to this node
	}
	owners, err := h.find(view)
	if err != nil {
		return err
	}
	errs := make(chan error, len(view.Peers))
	places := make(slots, handOverParallel)
	var group sync.WaitGroup
	for id, keys := range owners {
		for _, p := range view.Swarms[id] {
			if h.isDone(p) || !places.acquire(ctx) {
				continue
			}
			group.Go(func() {
				defer places.release()
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
		h.owing = false
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

// strangers returns, by swarm, the owners of messages here that belong to other swarms.
func (n *Node) strangers(view *ring.View) (map[swarm.SwarmID][]string, error) {
	owners, err := n.store.Owners(func(owner string) bool { return !view.Owns(owner) })
	found := make(map[swarm.SwarmID][]string)
	for _, owner := range owners {
		if id, ok := view.SwarmIDOf(owner); ok {
			found[id] = append(found[id], owner)
		}
	}
	return found, err
}

// handOverIfMoved is for messages that were accepted when the network looked like seen, and stored since. If they
// belong elsewhere by now, the hand-over that came with the change may have passed them by.
func (n *Node) handOverIfMoved(seen *ring.View, messages ...store.Message) {
	now := n.members.View()
	if now == seen {
		return
	}
	for _, m := range messages {
		if !now.Owns(m.PubKey) {
			n.handOver.again()
			return
		}
	}
}

// errStillWanted reports a node that did not take all that it was given.
var errStillWanted = errors.New("node does not have all messages that it should")

// offerTo sees to it that a node has all messages of owners. It returns an error if it does not in the end.
func (n *Node) offerTo(ctx context.Context, to *ring.Peer, owners []string) error {
	var names []store.Name
	var incomplete error
	total := 0
	for i, owner := range owners {
		first := store.Name{}
		copy(first[:], owner)
		everyone := func(string) bool { return true }
		err := n.store.Scan(first, n.now().UnixMilli(), everyone, func(name store.Name, life store.Version) bool {
			if name.Owner() != owner {
				return false
			}
			if !life.Deleted {
				names = append(names, name)
			}
			return true
		})
		if err != nil {
			return err
		}
		for last := i == len(owners)-1; len(names) >= maxNames || last && len(names) > 0; {
			page := names[:min(len(names), maxNames)]
			given, err := n.offerPage(ctx, to, page)
			if errors.Is(err, errStillWanted) {
				incomplete = err // the others shall have theirs all the same
			} else if err != nil {
				return err
			}
			names, total = names[len(page):], total+given
		}
	}
	if total > 0 {
		n.log.Info("handed over messages", "to", to.Name(), "count", total)
	}
	return incomplete
}

// offerPage offers messages, gives those that are wanted, and asks again.
func (n *Node) offerPage(ctx context.Context, to *ring.Peer, names []store.Name) (given int, err error) {
	wanted, elsewhere, err := n.wantedOf(ctx, to, names)
	if err != nil {
		return 0, err
	}
	left := wanted
	if len(wanted) > 0 {
		if given, err = n.give(ctx, to, wanted); err != nil {
			return given, err
		}
		if left, _, err = n.wantedOf(ctx, to, wanted); err != nil {
			return given, err
		}
	}
	if elsewhere || len(left) > 0 {
		return given, errStillWanted
	}
	return given, nil
}

// wantedOf asks a node which of some messages it lacks, and whether it believes that some belong elsewhere.
func (n *Node) wantedOf(ctx context.Context, to *ring.Peer, names []store.Name) (wanted []store.Name, elsewhere bool, err error) {
	verdicts, err := n.caller.call(ctx, to, OfferPath, appendNames(nil, names), maxNames)
	if err != nil {
		return nil, false, err
	}
	if len(verdicts) != len(names) {
		return nil, false, errors.New("answer to an offer has the wrong length")
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
