package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/network"
)

const (
	// avoidFailed and avoidNoMethod are how long a node is left out that failed, or that has no synchronous route.
	avoidFailed   = time.Minute
	avoidNoMethod = time.Hour
	// chooseAgain is how long somebody who finds no listening node waits before looking again, and tryAgain how long
	// somebody who is cut off does, or whose node gives empty answers without waiting.
	chooseAgain = 10 * time.Second
	tryAgain    = time.Second
)

// attend listens at one node of the swarm after the other, as long as each does its service.
func (s *listening) attend(ctx context.Context) error {
	avoided := make(map[network.Key]time.Time)
	for {
		node, err := s.choose(ctx, avoided)
		if err == nil {
			err = s.attendAt(ctx, node)
		} else if err := s.leave(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errNodeFailed) {
			avoided[node.Ed25519] = time.Now().Add(avoidFailed)
			if errors.Is(err, errNoMethod) {
				avoided[node.Ed25519] = time.Now().Add(avoidNoMethod)
			}
			s.router.options.Log.Info("the listening node fails", "node", node.Ed25519, "error", err)
			signal(s.pollNow) // what was on its way there may have been stored by now
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

// errNoListeningNode reports that every member of the swarm is avoided.
var errNoListeningNode = fmt.Errorf("%w: no node of the swarm lets us listen", network.ErrTarget)

// choose draws a member of the account's swarm.
func (s *listening) choose(ctx context.Context, avoided map[network.Key]time.Time) (network.Node, error) {
	swarm, err := s.router.network.Swarm(ctx, s.router.account.ID())
	if err != nil {
		return network.Node{}, err
	}
	now := time.Now()
	members := slices.DeleteFunc(s.router.network.Shuffle(swarm), func(node network.Node) bool {
		return now.Before(avoided[node.Ed25519])
	})
	if len(members) == 0 {
		return network.Node{}, errNoListeningNode
	}
	return members[0], nil
}

// attendAt listens at one node until that does not work any more.
func (s *listening) attendAt(ctx context.Context, node network.Node) error {
	l := s.router.newListener(node)
	if err := l.register(ctx); err != nil {
		return err
	}
	if err := s.router.account.ListenAt(ctx, node.Ed25519.String(), node.Port); err != nil {
		return err
	}
	s.settleAt(l)
	signal(s.announceNow)
	for {
		started := time.Now()
		events, err := l.next(ctx)
		if s.router.account.Answered() {
			signal(s.flushNow)
		}
		switch {
		case err == nil && len(l.acks) > 0:
			if err := s.push(ctx, events); err != nil {
				return err
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

// cutOff reports whether an error is not the listening node's fault.
func cutOff(err error) bool {
	return errors.Is(err, network.ErrNoPath) || errors.Is(err, network.ErrNoSeed) || errors.Is(err, network.ErrTooFewNodes) ||
		errors.Is(err, keystore.ErrLocked)
}

// settleAt says where the account listens; nil is nowhere.
func (s *listening) settleAt(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = l
}

// leave takes back that the account listens, if it does.
func (s *listening) leave(ctx context.Context) error {
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
