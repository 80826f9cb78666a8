package route

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/account"
)

const (
	// announceEvery is how often a status is sent again: before the friends' copies expire.
	announceEvery = account.StatusFreshFor / 2
	// announceBatch bounds the statuses that are sealed in one transaction, and announceAtOnce those in flight.
	announceBatch  = 16
	announceAtOnce = 4
	// offlineTimeout bounds the time that the end of a Listen takes.
	offlineTimeout = 5 * time.Second
)

// announce sends all friends the account's listening node whenever it changes.
func (s *listenLoop) announce(ctx context.Context) error {
	if !wait(ctx, 0, s.announceNow) {
		return nil
	}
	for {
		s.announced = true
		if err := s.pass("cannot tell friends who is online", s.router.announceAll(ctx)); err != nil {
			return err
		}
		if !wait(ctx, announceEvery, s.announceNow) {
			return nil
		}
	}
}

// goOffline ends a Listen in order: the account stops announcing this listening node, the node drops the listener, and
// friends get an offline status. Statuses that cannot be sent in time wait in the outbox.
func (s *listenLoop) goOffline(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), offlineTimeout)
	defer cancel()
	err := s.router.account.StopListening(ctx)
	if s.at != nil {
		if err := s.at.stop(ctx); err != nil {
			s.router.options.Log.Info("cannot leave the listening node", "error", err)
		}
	}
	if !s.announced || err != nil {
		return err
	}
	if err := s.router.announceAll(ctx); ctx.Err() == nil {
		return s.pass("cannot tell friends who is offline", err)
	}
	return nil
}

// announceAll sends all friends the account's status, over the route that is open to each. Statuses that cannot be sent
// wait in the outbox; that is logged.
func (r *Router) announceAll(ctx context.Context) error {
	friends, err := r.account.Friends(ctx)
	if err != nil {
		return err
	}
	var announced []account.Outgoing
	for batch := range slices.Chunk(friends, announceBatch) {
		sealed, err := r.account.Announce(ctx, batch...)
		if err != nil {
			return errors.Join(err, r.release(ctx, announced))
		}
		announced = append(announced, sealed...)
	}
	queue := make(chan account.Outgoing)
	errs := make([]error, announceAtOnce)
	var senders sync.WaitGroup
	for i := range errs {
		senders.Go(func() {
			for out := range queue {
				errs[i] = errors.Join(errs[i], r.sendStatus(ctx, out))
			}
		})
	}
	for _, out := range announced {
		queue <- out
	}
	close(queue)
	senders.Wait()
	return errors.Join(errs...)
}

// sendStatus sends one status. The error is the account's.
func (r *Router) sendStatus(ctx context.Context, out account.Outgoing) error {
	if ctx.Err() != nil {
		return r.release(ctx, []account.Outgoing{out})
	}
	if _, err := r.Send(ctx, out); err != nil {
		r.options.Log.Info("a status waits in the outbox", "error", err)
		return nil
	}
	return r.account.Discard(context.WithoutCancel(ctx), out)
}
