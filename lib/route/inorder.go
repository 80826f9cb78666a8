package route

import (
	"context"
	"sync"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/sessionid"
)

// Sending is a message in the queue of its recipient.
type Sending struct {
	router *Router
	out    account.Outgoing
	draft  account.Draft
	offset time.Duration   // of the clock when out was sealed
	before <-chan struct{} // closed when its turn has come
	passOn func()          // gives the next one its turn; may be called more than once
	again  turn            // to be sealed again
}

// turn is a place in a queue. The zero value is its front.
type turn struct {
	before <-chan struct{} // closed when the turn has come; nil if it has
	passOn func()
}

// wait waits for the turn, or returns the cause of ctx.
func (t turn) wait(ctx context.Context) error {
	if t.before == nil {
		return nil
	}
	select {
	case <-t.before:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// end gives the next one its turn.
func (t turn) end() {
	if t.passOn != nil {
		t.passOn()
	}
}

// queues keep the order of messages to the same recipient while several are in flight.
type queues struct {
	mu   sync.Mutex
	last map[sessionid.ID]chan struct{}
}

// join returns a channel that is closed when all earlier members of the queue have passed on, and passOn.
func (q *queues) join(to sessionid.ID) (before <-chan struct{}, passOn func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	previous, own := q.last[to], make(chan struct{})
	if previous == nil {
		previous = make(chan struct{})
		close(previous)
	}
	if q.last == nil {
		q.last = make(map[sessionid.ID]chan struct{})
	}
	q.last[to] = own
	return previous, sync.OnceFunc(func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.last[to] == own {
			delete(q.last, to)
		}
		close(own)
	})
}

// Begin queues a just sealed message behind the earlier ones to the same recipient. The caller must call [Sending.Run].
func (r *Router) Begin(out account.Outgoing, draft account.Draft) *Sending {
	s := &Sending{router: r, out: out, draft: draft, offset: r.network.Offset()}
	s.before, s.passOn = r.queues.join(out.To)
	s.again.before, s.again.passOn = r.reseals.join(out.To)
	return s
}

// Run sends the message like [Router.SendDraft] when its turn comes. On the synchronous route, the next message to the
// recipient waits until this one was delivered or refused. On the asynchronous route, where the recipient restores the
// order, they are in flight together. Those with a wrong time are sealed again in their order.
func (s *Sending) Run(ctx context.Context) (account.Outgoing, account.Receipt, error) {
	defer s.passOn()
	defer s.again.end()
	select {
	case <-s.before:
	case <-ctx.Done():
		return s.out, account.Receipt{}, s.router.abandon(ctx, s.out)
	}
	return s.router.sendDraft(ctx, s.out, s.draft, s.offset, s.passOn, s.again)
}

// abandon leaves a message to the next command, because ctx has ended.
func (r *Router) abandon(ctx context.Context, out account.Outgoing) error {
	if err := r.release(ctx, []account.Outgoing{out}); err != nil {
		return err
	}
	return context.Cause(ctx)
}
