package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage/syncroute"
)

const (
	// avoidFailed is how long a failed node comes after all others. avoidNoMethod is how long a node without a
	// synchronous route is left out.
	avoidFailed   = time.Minute
	avoidNoMethod = time.Hour
	// chooseAgain is the pause after no listening node was found. tryAgain is the pause after a request that reached no
	// node, and after an empty answer that came without waiting.
	chooseAgain = 10 * time.Second
	tryAgain    = time.Second
	// firstPause and longestPause bound the pause after deliveries without use: see takeDelivered. With the longest one
	// a listener still asks its node well within syncroute.ListenGrace.
	firstPause   = 250 * time.Millisecond
	longestPause = 4 * time.Second
)

// listenAtMembers listens at one member of the swarm after another, at each until it fails.
func (s *listenLoop) listenAtMembers(ctx context.Context) error {
	avoid := avoidance{failed: make(map[network.Key]time.Time), lacking: make(map[network.Key]time.Time)}
	for {
		node, last, err := s.choose(ctx, avoid)
		if err != nil || last {
			if err := s.clearListener(ctx); err != nil {
				return err
			}
		}
		if last && !wait(ctx, tryAgain, nil) {
			return nil
		}
		if err == nil {
			err = s.listenAt(ctx, node)
		}
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errNodeFailed) {
			avoid.note(node, err)
			s.router.options.Log.Info("the listening node fails", "node", node.Ed25519, "error", err)
			signal(s.pollNow) // messages in flight to the old node may have been stored by now
			continue
		}
		if err := s.pass("cannot listen", err); err != nil {
			return err
		}
		if !wait(ctx, chooseAgain, nil) {
			return nil
		}
	}
}

// avoidance has the times until which nodes are avoided: failed ones, and those without the method.
type avoidance struct {
	failed, lacking map[network.Key]time.Time
}

// note avoids a node because of an error.
func (a avoidance) note(node network.Node, err error) {
	now := time.Now()
	a.failed[node.Ed25519] = now.Add(avoidFailed)
	if errors.Is(err, errNoMethod) {
		a.lacking[node.Ed25519] = now.Add(avoidNoMethod)
	}
}

// errNoListeningNode reports that no member of the swarm has a synchronous route.
var errNoListeningNode = fmt.Errorf("%w: no node of the swarm lets us listen", network.ErrTarget)

// choose draws a member of the account's swarm. Last reports that all have failed; the node is then the one that failed
// the longest time ago.
func (s *listenLoop) choose(ctx context.Context, avoid avoidance) (node network.Node, last bool, err error) {
	swarm, err := s.router.network.Swarm(ctx, s.router.account.ID())
	if err != nil {
		return network.Node{}, false, err
	}
	now := time.Now()
	members := slices.DeleteFunc(s.router.network.Shuffle(swarm), func(node network.Node) bool {
		return now.Before(avoid.lacking[node.Ed25519])
	})
	if len(members) == 0 {
		return network.Node{}, false, errNoListeningNode
	}
	for _, member := range members {
		if !now.Before(avoid.failed[member.Ed25519]) {
			return member, false, nil
		}
	}
	oldest := slices.MinFunc(members, func(x, y network.Node) int {
		return avoid.failed[x.Ed25519].Compare(avoid.failed[y.Ed25519])
	})
	return oldest, true, nil
}

// listenAt registers at one node and listens there until the node fails.
func (s *listenLoop) listenAt(ctx context.Context, node network.Node) error {
	l := s.router.newListener(node)
	if err := l.register(ctx); err != nil {
		return err
	}
	if err := s.router.account.ListenAt(ctx, node.Ed25519.String(), node.Port); err != nil {
		return err
	}
	s.setListener(l)
	signal(s.announceNow)
	garbage := backOff{first: firstPause, longest: longestPause}
	for {
		started := time.Now()
		deliveries, err := l.next(ctx)
		s.setCutOff(err != nil)
		if err == nil {
			if err := s.reached(); err != nil {
				return err
			}
		}
		var pause time.Duration
		if len(deliveries) > 0 {
			err = s.serialize(ctx, func() error {
				fresh, err := s.takeDelivered(ctx, l, deliveries)
				pause = garbage.after(fresh)
				return err
			})
		}
		if s.router.account.Answered() {
			signal(s.flushNow)
		}
		switch {
		case err == nil && len(deliveries) > 0:
			if pause > 0 && !wait(ctx, pause, nil) {
				return ctx.Err()
			}
		case cutOff(err), err == nil && time.Since(started) < tryAgain:
			if !wait(ctx, tryAgain, nil) {
				return ctx.Err()
			}
		case err != nil:
			return err
		}
	}
}

// takeDelivered opens messages of the synchronous route and queues the new ones. Messages that they have overtaken can
// only be in the swarm, and are fetched first, so that the reader gets the messages of one sender in order.
//
// Fresh reports whether a message of a session was among them that had not come before. Anybody can deliver anything to
// a listener without a proof of work, so a listener that gets nothing fresh makes a pause before it asks again. Senders
// fall back to the asynchronous route if the pause lasts too long for them.
func (s *listenLoop) takeDelivered(ctx context.Context, l *listener,
	deliveries []syncroute.Delivery) (fresh bool, err error) {
	opened, err := l.open(ctx, deliveries)
	if err != nil {
		return false, err
	}
	fresh = slices.ContainsFunc(opened, func(one account.Opened) bool { return !one.Refused && !one.Duplicate })
	if slices.ContainsFunc(opened, func(one account.Opened) bool { return one.Event.Overtook }) {
		err = s.fetchOvertaken(ctx)
	}
	return fresh, errors.Join(err, s.pushFetched(ctx), s.push(ctx, newEvents(opened)))
}

// fetchOvertaken polls while delivered messages wait for their acknowledgement. Its time is therefore short.
func (s *listenLoop) fetchOvertaken(ctx context.Context) error {
	fetchCtx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	err := s.router.Retrieve(fetchCtx, mailbox.RetrieveOptions{UseCursors: true}, func(page mailbox.Page) (int, error) {
		return s.fetching.take(ctx, page)
	})
	if fetchCtx.Err() != nil {
		return ctx.Err()
	}
	return s.pass("cannot ask for messages that were overtaken", err)
}

// cutOff reports whether an error is not the listening node's fault.
func cutOff(err error) bool {
	return errors.Is(err, network.ErrNoPath) || errors.Is(err, network.ErrNoSeed) ||
		errors.Is(err, network.ErrTooFewNodes) ||
		errors.Is(err, account.ErrLocked)
}

// setListener sets the listener of the account. Nil means that it listens nowhere.
func (s *listenLoop) setListener(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.cutOff = l, false
}

// setCutOff records whether the last request to the listening node has failed.
func (s *listenLoop) setCutOff(failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cutOff = failed
}

// clearListener removes the listener, if there is one, and records that the account listens nowhere.
func (s *listenLoop) clearListener(ctx context.Context) error {
	s.mu.Lock()
	was := s.at
	s.at = nil
	s.mu.Unlock()
	if was == nil {
		return nil
	}
	signal(s.announceNow)
	return s.router.account.StopListening(ctx)
}
