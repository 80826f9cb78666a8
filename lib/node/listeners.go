package node

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"sessiontool/lib/rpc"
)

const (
	// maxListeners bounds those who listen at this node, maxKeyListeners those with one key (sync-route.md section 4.3).
	maxListeners    = 10000
	maxKeyListeners = 4
	// redeliverAfter is how long after a message was handed out its acknowledgement is missed: the answer that had it
	// may be lost.
	redeliverAfter = 2 * time.Second
)

var (
	errListeningBusy = refusal{rpc.StatusNotReady, "listening is busy\n"}
	errClosing       = refusal{rpc.StatusNotReady, "Service node is closing\n"}
	errOldListen     = refusal{rpc.StatusBadTimestamp, "listen timestamp is older than that of an earlier request\n"}
	errNobodyListens = refusal{rpc.StatusNobodyListens, "nobody listens\n"}
	errNotAcked      = refusal{rpc.StatusTimeout, "not acknowledged in time\n"}
	// errMoved reports an owner that belongs to another swarm, of which the client is to be told.
	errMoved = errors.New("another swarm keeps the owner's messages")
)

// shortID is the id of a listener or of a delivery.
type shortID [rpc.DeliveryIDSize]byte

// listeners brings those who listen at this node together with those who deliver to them. All of it is in memory, and
// gone with the node. It waits by the machine's timers, whatever the node's clock shows. It is safe for concurrent use.
type listeners struct {
	random io.Reader
	owns   func(owner string) bool // whether this node's swarm keeps the owner's messages

	mu        sync.Mutex
	audiences map[string]*audience // by owner; each has a listener
	count     int                  // of listeners
	bytes     int                  // of waiting deliveries
	closed    bool
}

// audience is who listens with one key, and what waits to be acknowledged by any of them.
type audience struct {
	owner     string
	listeners map[shortID]*listener
	waiting   []*delivery // oldest first
	bytes     int
}

// listener is one process that listens.
type listener struct {
	id     shortID
	newest int64       // timestamp of its last request
	polled time.Time   // when that came
	poll   *poll       // its open request; nil between two
	grace  *time.Timer // removes it unless it asks again; nil while poll is open
}

// poll is a listen request that waits for messages.
type poll struct {
	wake  chan struct{} // has room for one: there may be something new
	ended chan struct{} // closed when the request is to be answered with err, or with nothing if that is nil
	err   error
}

// listenRequest is what a listener asks for. Timestamps of one listener rise. So who repeats what it has seen of others
// gets nothing, ends nothing, and does not make a listener stay; and neither does a client whose path failed.
type listenRequest struct {
	owner     string
	listener  shortID
	timestamp int64
	acks      []ack
	wait      time.Duration
	stop      bool
}

type ack struct {
	delivery shortID
	text     string
}

func newListeners(random io.Reader, owns func(owner string) bool) *listeners {
	return &listeners{random: random, owns: owns, audiences: make(map[string]*audience)}
}

// listen takes the acknowledgements and then waits until there are messages for the listener, but no longer than r.wait.
// A repeated request is not to wait. The error is errListeningBusy, errOldListen, errMoved or errClosing, or the context's.
func (l *listeners) listen(ctx context.Context, r listenRequest) ([]rpc.Delivery, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, errClosing
	case !l.owns(r.owner): // asked under the lock, so that drop misses nobody
		return nil, errMoved
	}
	a := l.audiences[r.owner]
	if a == nil {
		a = &audience{owner: r.owner, listeners: make(map[shortID]*listener)}
	}
	known := a.listeners[r.listener]
	if known != nil && r.timestamp < known.newest {
		return nil, errOldListen
	}
	for _, ack := range r.acks {
		l.acknowledge(a, ack)
	}
	switch {
	case r.stop && known != nil:
		l.remove(a, known)
		return nil, nil
	case r.stop:
		return nil, nil
	case known == nil:
		known = l.add(a, r.listener)
	case r.timestamp == known.newest:
		return nil, nil
	}
	if known == nil {
		return nil, errListeningBusy
	}
	known.newest, known.polled = r.timestamp, time.Now()
	return l.await(ctx, a, known, r.wait)
}

// add makes a listener, in the place of the one that asked longest ago if the key has too many. It returns nil if the
// node has too many.
func (l *listeners) add(a *audience, id shortID) *listener {
	switch {
	case len(a.listeners) >= maxKeyListeners:
		var oldest *listener
		for _, other := range a.listeners {
			if oldest == nil || other.polled.Before(oldest.polled) {
				oldest = other
			}
		}
		l.forget(a, oldest, errListeningBusy)
	case l.count >= maxListeners:
		return nil
	}
	fresh := &listener{id: id}
	a.listeners[id] = fresh
	l.audiences[a.owner] = a
	l.count++
	return fresh
}

// await is listen from when the listener is known. It holds l.mu but while it waits.
func (l *listeners) await(ctx context.Context, a *audience, to *listener, wait time.Duration) ([]rpc.Delivery, error) {
	to.hangUp(nil)
	if to.grace != nil {
		to.grace.Stop()
		to.grace = nil
	}
	p := &poll{wake: make(chan struct{}, 1), ended: make(chan struct{})}
	to.poll = p
	over := time.NewTimer(wait)
	defer over.Stop()
	for waiting := wait > 0; ; {
		messages, next := a.due(to, time.Now())
		if len(messages) > 0 || !waiting {
			l.rest(a, to)
			return messages, nil
		}
		again := time.NewTimer(next)
		l.mu.Unlock()
		select {
		case <-p.wake:
		case <-again.C:
		case <-over.C:
			waiting = false
		case <-ctx.Done():
		case <-p.ended:
		}
		l.mu.Lock()
		again.Stop()
		if to.poll != p {
			return nil, p.err
		}
		if ctx.Err() != nil { // nobody is there to get a message
			l.rest(a, to)
			return nil, ctx.Err()
		}
	}
}

// rest begins the time in which the listener has to ask again.
func (l *listeners) rest(a *audience, of *listener) {
	of.poll = nil
	var grace *time.Timer
	grace = time.AfterFunc(rpc.ListenGrace, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if of.grace == grace { // else it has asked again just now
			l.remove(a, of)
		}
	})
	of.grace = grace
}

// hangUp ends the listener's open request, if there is one.
func (of *listener) hangUp(err error) {
	if of.poll != nil {
		of.poll.err = err
		close(of.poll.ended)
		of.poll = nil
	}
}

// remove forgets a listener. When it was the last of its key, what waits there is refused.
func (l *listeners) remove(a *audience, gone *listener) {
	l.forget(a, gone, nil)
	if len(a.listeners) == 0 {
		l.refuse(a, errNobodyListens)
	}
}

// forget takes a listener out. The caller sees to it that the audience still has one afterwards, or refuses what waits.
func (l *listeners) forget(a *audience, gone *listener, err error) {
	gone.hangUp(err)
	if gone.grace != nil {
		gone.grace.Stop()
		gone.grace = nil
	}
	delete(a.listeners, gone.id)
	l.count--
	for _, d := range a.waiting {
		delete(d.handed, gone)
	}
	if len(a.listeners) == 0 {
		delete(l.audiences, a.owner)
	}
}

// dismiss tells everybody at an audience, those who listen and those who deliver, that it is over.
func (l *listeners) dismiss(a *audience, err error) {
	l.refuse(a, err)
	for _, gone := range a.listeners {
		l.forget(a, gone, err)
	}
}

// drop dismisses, with errMoved, the audiences of owners that belong to another swarm by now.
func (l *listeners) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for owner, a := range l.audiences {
		if !l.owns(owner) {
			l.dismiss(a, errMoved)
		}
	}
}

// close dismisses everybody with errClosing, and from now on whoever comes.
func (l *listeners) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, a := range l.audiences {
		l.dismiss(a, errClosing)
	}
}

// load returns how many listen and how many deliveries wait.
func (l *listeners) load() (listening, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.audiences {
		waiting += len(a.waiting)
	}
	return l.count, waiting
}
