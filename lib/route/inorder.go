package route

import (
	"context"
	"sync"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/route/crowd"
	"sessiontool/lib/sessionid"
)

// Place is the place of a message in the queue of its recipient.
type Place struct {
	router *Router
	offset time.Duration   // of the clock when the message is sealed
	before <-chan struct{} // closed when its turn has come
	passOn func()          // gives the next one its turn; may be called more than once
	again  turn            // to be sealed again
	crowd  *crowd.Member
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

// Queue takes the place behind the earlier messages to a recipient, for a message that is sealed now or later. The
// caller must call [Place.Send] or [Place.Leave].
func (r *Router) Queue(to sessionid.ID) *Place {
	p := &Place{router: r}
	p.Seals()
	p.before, p.passOn = r.queues.join(to)
	p.again.before, p.again.passOn = r.reseals.join(to)
	p.crowd = r.crowds.Join(to)
	return p
}

// Seals records that the message is sealed now.
func (p *Place) Seals() { p.offset = p.router.network.Offset() }

// Leave gives up the place. It may be called more than once.
func (p *Place) Leave() {
	p.passOn()
	p.again.end()
	p.crowd.Leave()
}

// Send sends the sealed message like [Router.SendDraft] when its turn comes. On the synchronous route, the next message
// to the recipient waits until this one was delivered or refused. On the asynchronous route, where the recipient
// restores the order, they are in flight together, and those of many that are not among the last few take it. Those with
// a wrong time are sealed again in their order.
func (p *Place) Send(ctx context.Context, out account.Outgoing,
	draft account.Draft) (account.Outgoing, account.Receipt, error) {
	defer p.Leave()
	select {
	case <-p.before:
	case <-ctx.Done():
		return out, account.Receipt{}, p.router.abandon(ctx, out)
	}
	return p.router.sendDraft(ctx, out, draft, p.offset, p)
}

// abandon leaves a message to the next command, because ctx has ended.
func (r *Router) abandon(ctx context.Context, out account.Outgoing) error {
	if err := r.release(ctx, []account.Outgoing{out}); err != nil {
		return err
	}
	return context.Cause(ctx)
}
