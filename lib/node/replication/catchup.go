package replication

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
)

const (
	// catchUpInterval is the mean time between two comparisons with a random other member of the swarm.
	catchUpInterval = time.Minute
	// newMemberDelay is the mean delay before a comparison with a node that has joined. It lets that node begin.
	newMemberDelay = time.Second
)

// catchUp schedules comparisons with the other members of the swarm: with each member when the node starts, with a
// member that joins or comes back, and with a random one every catchUpInterval. After a comparison both have the same
// messages. catchUp is safe for concurrent use.
type catchUp struct {
	log     *slog.Logger
	compare func(ctx context.Context, with *ring.Peer) (found, given int, err error)
	wake    chan struct{} // holds a token if due has changed

	mu     sync.Mutex
	random *rand.Rand
	peers  map[string]*ring.Peer
	due    map[string]comparison // by the peer's name; peers without one are up to date
}

// comparison is the time of a comparison with a peer, and the pause before the next one if it fails.
type comparison struct {
	at    time.Time
	retry time.Duration
}

func newCatchUp(
	log *slog.Logger, random *rand.Rand,
	compare func(ctx context.Context, with *ring.Peer) (found, given int, err error),
) *catchUp {
	return &catchUp{
		log: log, random: random, compare: compare, wake: make(chan struct{}, 1),
		peers: make(map[string]*ring.Peer), due: make(map[string]comparison),
	}
}

// setPeers sets the other members. Each one that is new to this node gets a comparison: at once if all are new, and
// after newMemberDelay if it joined, because it has more to fetch than this node.
func (c *catchUp) setPeers(peers []*ring.Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.peers
	joined := len(before) == 0
	c.peers = make(map[string]*ring.Peer, len(peers))
	for _, p := range peers {
		c.peers[p.Name()] = p
		if before[p.Name()] != nil {
			continue
		}
		delay := time.Duration(0)
		if !joined {
			delay = c.jitter(newMemberDelay)
		}
		c.due[p.Name()] = comparison{at: time.Now().Add(delay), retry: firstRetry}
	}
	for name := range c.due {
		if c.peers[name] == nil {
			delete(c.due, name)
		}
	}
	c.wakeUp()
}

// jitter returns a random duration of 50% to 150% of d, so that many nodes do not act at the same time. The caller holds
// the lock.
func (c *catchUp) jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(c.random.Int64N(int64(d)+1))
}

// pause is jitter for callers without the lock.
func (c *catchUp) pause(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.jitter(d)
}

// schedule makes a comparison with the peer called name due now.
func (c *catchUp) schedule(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peers[name] != nil {
		c.due[name] = comparison{at: time.Now(), retry: firstRetry}
		c.wakeUp()
	}
}

func (c *catchUp) wakeUp() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// pending counts the scheduled comparisons.
func (c *catchUp) pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.due)
}

// next returns the peer with the earliest comparison and the time until then; no peer if there is none.
func (c *catchUp) next() (p *ring.Peer, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(c.due)) {
		if left := time.Until(c.due[name].at); p == nil || left < wait {
			p, wait = c.peers[name], left
		}
	}
	return p, wait
}

// record records the result of a comparison with a peer that began at start. A failed one is due again after a growing
// pause.
func (c *catchUp) record(p *ring.Peer, start time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.due[p.Name()]
	switch {
	case !ok:
	case err == nil && !a.at.After(start):
		delete(c.due, p.Name())
	case err != nil:
		c.due[p.Name()] = comparison{at: time.Now().Add(c.jitter(a.retry)), retry: min(2*a.retry, lastRetry)}
	}
}

// scheduleRandom makes a comparison with a random member due now.
func (c *catchUp) scheduleRandom() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.peers) == 0 {
		return
	}
	name := slices.Sorted(maps.Keys(c.peers))[c.random.IntN(len(c.peers))]
	if _, ok := c.due[name]; !ok {
		c.due[name] = comparison{at: time.Now(), retry: firstRetry}
	}
}

// run makes the comparisons that are due until ctx ends.
func (c *catchUp) run(ctx context.Context) {
	regular := time.NewTimer(c.pause(catchUpInterval))
	defer regular.Stop()
	for ctx.Err() == nil {
		p, wait := c.next()
		var due <-chan time.Time
		if p != nil {
			due = time.After(wait)
		}
		select {
		case <-due:
			c.compareWith(ctx, p)
		case <-c.wake:
		case <-regular.C:
			c.scheduleRandom()
			regular.Reset(c.pause(catchUpInterval))
		case <-ctx.Done():
		}
	}
}

func (c *catchUp) compareWith(ctx context.Context, p *ring.Peer) {
	start := time.Now()
	found, given, err := c.compare(ctx, p)
	c.record(p, start, err)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		c.log.Debug("comparing with another member", "peer", p.Name(), "error", err)
	case found+given > 0:
		c.log.Info("caught up with another member", "peer", p.Name(), "found", found, "given", given)
	}
}

// Compare makes this node and another member of its swarm have the same messages and tombstones. found is the number of
// records that this node stored, and given the number that it sent; both are valid after an error, too. A node that is
// no member is skipped.
func (rep *Replication) Compare(ctx context.Context, with *ring.Peer) (found, given int, err error) {
	view := rep.members.View()
	if current := view.Peers[with.Name()]; current == nil || !view.SharesSwarm(current) {
		return 0, 0, nil // not a member any more
	}
	answer, err := rep.caller.Call(ctx, with, DigestPath, nil, store.DigestSlots*store.DigestSize)
	if err != nil {
		return 0, 0, err
	}
	theirs, err := parseDigests(answer)
	if err != nil {
		return 0, 0, err
	}
	ours, err := rep.store.Digest(rep.now().UnixMilli(), view.Owns)
	if err != nil {
		return 0, 0, err
	}
	slots, count := ours.Differing(theirs)
	if count == 0 {
		return 0, 0, nil
	}
	var after store.Name
	for more := true; more; {
		var f, g int
		after, f, g, more, err = rep.comparePage(ctx, with, view, slots, after)
		found, given = found+f, given+g
		if err != nil {
			return found, given, err
		}
	}
	return found, given, nil
}

// comparePage compares the next names in slots after the given one. It returns the last name that it compared and
// whether more may follow.
func (rep *Replication) comparePage(
	ctx context.Context, with *ring.Peer, view *ring.View, slots store.SlotSet, after store.Name,
) (last store.Name, found, given int, more bool, err error) {
	answer, err := rep.caller.Call(ctx, with, NamesPath, namesRequest(slots, after), MaxNames*listedSize)
	if err != nil {
		return after, 0, 0, false, err
	}
	theirs, err := parseListed(answer)
	if err != nil {
		return after, 0, 0, false, err
	}
	ours, err := rep.namesIn(slots, after, view)
	if err != nil {
		return after, 0, 0, false, err
	}
	// A list of MaxNames names is cut off. Compare only the range in which both are complete.
	end, more := commonEnd(theirs, ours)
	if more && bytes.Compare(end[:], after[:]) <= 0 {
		return after, 0, 0, false, errors.New("listed names do not follow the requested one")
	}
	lacking, surplus := differences(theirs, ours, end, more)
	if found, err = rep.fetch(ctx, with, view, lacking); err != nil {
		return after, found, 0, false, err
	}
	given, err = rep.give(ctx, with, surplus)
	return end, found, given, more, err
}

// commonEnd returns the name up to which two lists can be compared: the lesser of the last names of those lists that
// have MaxNames names and so may be cut off. It returns false if neither is.
func commonEnd(a, b []listed) (end store.Name, cut bool) {
	for _, list := range [][]listed{a, b} {
		if len(list) < MaxNames {
			continue
		}
		if last := list[len(list)-1].name; !cut || bytes.Compare(last[:], end[:]) < 0 {
			end, cut = last, true
		}
	}
	return end, cut
}

// differences returns the names that only one of two lists has, or has in a version that supersedes the other's, up to
// end if they are cut off.
func differences(theirs, ours []listed, end store.Name, cut bool) (lacking, surplus []store.Name) {
	within := func(name store.Name) bool { return !cut || bytes.Compare(name[:], end[:]) <= 0 }
	return only(theirs, ours, within), only(ours, theirs, within)
}

func only(list, other []listed, within func(store.Name) bool) (names []store.Name) {
	others := make(map[store.Name]store.Version, len(other))
	for _, l := range other {
		others[l.name] = l.version
	}
	for _, l := range list {
		if version, both := others[l.name]; within(l.name) && (!both || l.version.Supersedes(version)) {
			names = append(names, l.name)
		}
	}
	return names
}

// fetch fetches records of this swarm from another member and stores them.
func (rep *Replication) fetch(
	ctx context.Context, from *ring.Peer, view *ring.View, names []store.Name,
) (found int, err error) {
	for len(names) > 0 {
		answer, err := rep.caller.Call(ctx, from, FetchPath, appendNames(nil, names), MaxFetchAnswer)
		if err != nil {
			return found, err
		}
		records, taken, err := parseFetched(answer, len(names))
		if err != nil {
			return found, fmt.Errorf("fetching messages: %w", err)
		}
		stored, err := rep.keep(records, view, from)
		if err != nil {
			return found, err
		}
		found, names = found+stored, names[taken:]
	}
	return found, nil
}

// give pushes records to another node.
func (rep *Replication) give(ctx context.Context, to *ring.Peer, names []store.Name) (given int, err error) {
	for len(names) > 0 {
		body, taken, err := rep.store.Encode(names, store.MaxBatchBytes)
		if err != nil {
			return given, err
		}
		if len(body) > 0 {
			if err := rep.senders.send(ctx, to, body); err != nil {
				return given, err
			}
		}
		given, names = given+taken, names[taken:]
	}
	return given, nil
}
