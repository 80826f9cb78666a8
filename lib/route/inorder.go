package route

import (
	"context"
	"sync"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/sessionid"
)

// Sending is a message that waits for its turn among those to the same recipient.
type Sending struct {
	router *Router
	out    account.Outgoing
	draft  account.Draft
	offset time.Duration   // of the clock, by which out was sealed
	before <-chan struct{} // closed when the turn has come
	passOn func()          // lets the next one have its turn; may be called more than once
}

// queues keep the order of messages to the same recipient while several are under way.
type queues struct {
	mu   sync.Mutex
	last map[sessionid.ID]chan struct{}
}

// join returns a channel that is closed when those that have joined before have passed on, and passOn.
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

// Begin queues a message that was just sealed from a draft behind those to the same recipient that were begun before it.
// Run has to be called.
func (r *Router) Begin(out account.Outgoing, draft account.Draft) *Sending {
	s := &Sending{router: r, out: out, draft: draft, offset: r.network.Offset()}
	s.before, s.passOn = r.queues.join(out.To)
	return s
}

// Run sends the message, as Router.SendDraft does, when its turn has come. The next one to the same recipient has its turn
// when this one was delivered or refused over the synchronous route; over the asynchronous one, where the recipient puts
// messages in order, they are under way together.
func (s *Sending) Run(ctx context.Context) (account.Outgoing, account.Receipt, error) {
	defer s.passOn()
	select {
	case <-s.before:
	case <-ctx.Done():
		return s.out, account.Receipt{}, s.router.abandon(ctx, s.out)
	}
	return s.router.sendDraft(ctx, s.out, s.draft, s.offset, s.passOn)
}

// abandon leaves a message to the next command, because ctx has ended.
func (r *Router) abandon(ctx context.Context, out account.Outgoing) error {
	if err := r.release(ctx, []account.Outgoing{out}); err != nil {
		return err
	}
	return context.Cause(ctx)
}
