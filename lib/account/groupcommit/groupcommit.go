// Package groupcommit makes one durable commit of transactions that goroutines of a process ask for at the same time:
// while one commit waits for the disk, the next transactions gather.
//
// It promises that transactions take effect in the order of their calls, that each is durable when it has ended, and
// that one that fails changes nothing and does not make others fail.
package groupcommit

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"sessiontool/keystore"
)

const (
	// most bounds the transactions of one commit.
	most = 256
	// gather is how long a commit behind another one waits for more transactions.
	gather = 2 * time.Millisecond
)

// Update runs a function in one transaction and commits it, as [keystore.Store.Update] does.
type Update func(ctx context.Context, work func(*keystore.Tx) error) error

// Group gathers transactions. It is safe for concurrent use. Work may be called again, after all its changes were
// undone, and must then do the same once more.
type Group struct {
	update Update

	mu      sync.Mutex
	queue   []*Pending
	running bool
	waiting int                // callers that wait for the commit in progress
	stop    context.CancelFunc // ends its wait for the keystore's lock
}

// New returns a group whose commits update makes.
func New(update Update) *Group { return &Group{update: update} }

// Pending is a transaction that has its place in the order.
type Pending struct {
	group *Group
	work  func(*keystore.Tx) error
	ended chan struct{}
	err   error
}

// Begin gives a transaction its place behind all that have begun. The caller must call [Pending.Wait].
func (g *Group) Begin(work func(*keystore.Tx) error) *Pending {
	p := &Pending{group: g, work: work, ended: make(chan struct{})}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue = append(g.queue, p)
	if !g.running {
		g.running = true
		go g.run()
	}
	return p
}

// Update is Begin and Wait.
func (g *Group) Update(ctx context.Context, work func(*keystore.Tx) error) error {
	return g.Begin(work).Wait(ctx)
}

// Wait returns the result. If ctx ends before the transaction was started, Wait withdraws it and returns the cause. If
// the callers of all transactions of a commit are gone, the commit no longer waits for the keystore's lock.
func (p *Pending) Wait(ctx context.Context) error {
	select {
	case <-p.ended:
	case <-ctx.Done():
		if p.group.withdraw(p) {
			return context.Cause(ctx)
		}
		p.group.leave()
		if <-p.ended; errors.Is(p.err, context.Canceled) {
			return context.Cause(ctx)
		}
	}
	return p.err
}

// leave counts a caller of the commit in progress as gone.
func (g *Group) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting--; g.waiting == 0 && g.stop != nil {
		g.stop()
	}
}

// withdraw removes a transaction that was not started, and reports whether it did.
func (g *Group) withdraw(p *Pending) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.queue, p)
	if i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
	}
	return i >= 0
}

// take returns the next transactions; none ends the run.
func (g *Group) take(stop context.CancelFunc) []*Pending {
	g.mu.Lock()
	defer g.mu.Unlock()
	taken := slices.Clone(g.queue[:min(len(g.queue), most)])
	g.queue = slices.Delete(g.queue, 0, len(taken))
	g.running, g.waiting, g.stop = len(taken) > 0, len(taken), stop
	return taken
}

func (g *Group) run() {
	for {
		runtime.Gosched() // those that run already and are about to begin a transaction are part of the commit
		ctx, stop := context.WithCancel(context.Background())
		taken := g.take(stop)
		if len(taken) > 0 {
			g.commit(ctx, taken)
		}
		stop()
		if len(taken) == 0 {
			return
		}
		if g.busy() {
			time.Sleep(gather)
		}
	}
}

// busy reports whether transactions wait.
func (g *Group) busy() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.queue) > 0
}

// errAgain undoes a transaction of which one part has failed.
var errAgain = errors.New("without the part that failed")

// commit runs transactions as one. One that fails is left out, and the others run again.
func (g *Group) commit(ctx context.Context, taken []*Pending) {
	for len(taken) > 0 {
		failed := -1
		err := g.update(ctx, func(tx *keystore.Tx) error {
			for i, p := range taken {
				if p.err = p.work(tx); p.err != nil {
					failed = i
					return errAgain
				}
			}
			return nil
		})
		if failed >= 0 && errors.Is(err, errAgain) {
			close(taken[failed].ended)
			taken = slices.Delete(taken, failed, failed+1)
			continue
		}
		for _, p := range taken {
			p.err = err
			close(p.ended)
		}
		return
	}
}

// Result is the value that a transaction makes.
type Result[T any] struct {
	value   T
	pending *Pending // nil if err is known
	err     error
}

// Make is [Group.Begin] for a transaction that makes a value.
func Make[T any](g *Group, work func(*keystore.Tx) (T, error)) *Result[T] {
	r := &Result[T]{}
	r.pending = g.Begin(func(tx *keystore.Tx) (err error) {
		r.value, err = work(tx)
		return err
	})
	return r
}

// Failed is the result of work that was not begun.
func Failed[T any](err error) *Result[T] { return &Result[T]{err: err} }

// Wait is [Pending.Wait]. One goroutine may call it, once.
func (r *Result[T]) Wait(ctx context.Context) (value T, err error) {
	if r.pending != nil {
		r.err = r.pending.Wait(ctx)
	}
	if r.err != nil {
		return value, r.err
	}
	return r.value, nil
}
