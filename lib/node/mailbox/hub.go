// Package mailbox connects clients that listen at a service node with clients that deliver to them: the node's part of
// the synchronous route (docs/protocol/sync-route.md sections 4 and 5).
//
// A delivered message is held in memory until a listener of its owner acknowledges it, and never reaches the disk.
// [Hub.Deliver] returns that acknowledgement. It fails at once if the owner has no listener. The number of listeners,
// and the number and size of pending deliveries, are bounded for each owner and for the node. When [Hub.Close] returns,
// no call of [Hub.Listen] or [Hub.Deliver] waits any more.
package mailbox

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"sessiontool/lib/storage/syncroute"
)

const (
	// maxListeners bounds the listeners at this node, and maxOwnerListeners those of one owner (sync-route.md section
	// 4.3).
	maxListeners      = 10000
	maxOwnerListeners = 4
	// redeliverAfter is the time after which an unacknowledged message is sent to its listener again: the answer that
	// carried it may be lost.
	redeliverAfter = 2 * time.Second
)

// Errors of Listen and Deliver.
var (
	ErrBusy       = errors.New("listening is busy")
	ErrClosing    = errors.New("the node is closing")
	ErrOldRequest = errors.New("listen timestamp is older than that of an earlier request")
	ErrNoListener = errors.New("nobody listens")
	ErrNotAcked   = errors.New("not acknowledged in time")
	ErrMoved      = errors.New("another swarm keeps the owner's messages")
)

// ID identifies a listener or a delivery. Its length is [syncroute.DeliveryIDSize].
type ID [syncroute.DeliveryIDSize]byte

// Hub connects listeners with deliveries. All state is in memory and is lost when the node stops. Hub uses the
// machine's timers and not the node's clock. It is safe for concurrent use.
type Hub struct {
	random io.Reader
	owns   func(owner string) bool // whether this node's swarm keeps the owner's messages

	mu           sync.Mutex
	mailboxes    map[string]*mailbox // by owner; each has a listener
	count        int                 // listeners in all mailboxes
	pendingBytes int                 // size of all pending deliveries
	closed       bool
}

// mailbox holds the listeners of one owner, and the deliveries that none of them has acknowledged yet.
type mailbox struct {
	owner        string
	listeners    map[ID]*listener
	pending      []*delivery // oldest first
	pendingBytes int
}

// listener is one process that listens. It stays registered between its requests for [syncroute.ListenGrace].
type listener struct {
	id     ID
	newest int64       // timestamp of its latest request
	polled time.Time   // time at which that request came
	poll   *poll       // its open request; nil between two requests
	grace  *time.Timer // removes the listener unless it sends another request; nil while poll is open
}

// poll is an open listen request.
type poll struct {
	wake  chan struct{} // capacity 1: a delivery may be due
	ended chan struct{} // closed when the request ends with err, or with no messages if err is nil
	err   error
}

// Request is one listen request. The timestamps of one listener rise. Hub ignores a replayed request: it gets no
// messages, does not end an open request, and does not extend the listener's registration.
type Request struct {
	Owner     string // public key as text
	Listener  ID
	Timestamp int64 // milliseconds since 1970, by the listener's clock
	Acks      []Ack
	Wait      time.Duration // at most syncroute.MaxWait
	Stop      bool          // removes the listener
}

// Ack acknowledges one delivery. [Hub.Deliver] returns Text unchanged.
type Ack struct {
	Delivery ID
	Text     string
}

// New makes an empty Hub. random is the source of delivery IDs. owns reports whether this node's swarm keeps the
// messages of an owner; it is called under the Hub's lock and must not call the Hub.
func New(random io.Reader, owns func(owner string) bool) *Hub {
	return &Hub{random: random, owns: owns, mailboxes: make(map[string]*mailbox)}
}

// Listen records the acknowledgements of r and then waits up to r.Wait for messages. It returns them oldest first. A
// request that repeats the newest timestamp does not wait. The error is ErrBusy, ErrOldRequest, ErrMoved, ErrClosing or
// that of ctx.
func (h *Hub) Listen(ctx context.Context, r Request) ([]syncroute.Delivery, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, ErrClosing
	case !h.owns(r.Owner): // under the lock, so that DropMoved misses no request
		return nil, ErrMoved
	}
	box := h.mailboxes[r.Owner]
	if box == nil {
		box = &mailbox{owner: r.Owner, listeners: make(map[ID]*listener)}
	}
	known := box.listeners[r.Listener]
	if known != nil && r.Timestamp < known.newest {
		return nil, ErrOldRequest
	}
	for _, ack := range r.Acks {
		h.acknowledge(box, ack)
	}
	switch {
	case r.Stop && known != nil:
		h.remove(box, known)
		return nil, nil
	case r.Stop:
		return nil, nil
	case known == nil:
		known = h.add(box, r.Listener)
	case r.Timestamp == known.newest:
		return nil, nil
	}
	if known == nil {
		return nil, ErrBusy
	}
	known.newest, known.polled = r.Timestamp, time.Now()
	return h.await(ctx, box, known, r.Wait)
}

// add registers a listener. If the owner has maxOwnerListeners, the new one replaces the one with the oldest request.
// It returns nil if the node has maxListeners.
func (h *Hub) add(box *mailbox, id ID) *listener {
	switch {
	case len(box.listeners) >= maxOwnerListeners:
		var oldest *listener
		for _, other := range box.listeners {
			if oldest == nil || other.polled.Before(oldest.polled) {
				oldest = other
			}
		}
		h.detach(box, oldest, ErrBusy)
	case h.count >= maxListeners:
		return nil
	}
	fresh := &listener{id: id}
	box.listeners[id] = fresh
	h.mailboxes[box.owner] = box
	h.count++
	return fresh
}

// await waits for messages on behalf of a registered listener. It holds h.mu except while it waits.
func (h *Hub) await(ctx context.Context, box *mailbox, to *listener, wait time.Duration) ([]syncroute.Delivery, error) {
	to.endPoll(nil)
	if to.grace != nil {
		to.grace.Stop()
		to.grace = nil
	}
	p := &poll{wake: make(chan struct{}, 1), ended: make(chan struct{})}
	to.poll = p
	over := time.NewTimer(wait)
	defer over.Stop()
	for waiting := wait > 0; ; {
		messages, next := box.due(to, time.Now())
		if len(messages) > 0 || !waiting {
			h.startGrace(box, to)
			return messages, nil
		}
		again := time.NewTimer(next)
		h.mu.Unlock()
		select {
		case <-p.wake:
		case <-again.C:
		case <-over.C:
			waiting = false
		case <-ctx.Done():
		case <-p.ended:
		}
		h.mu.Lock()
		again.Stop()
		if to.poll != p {
			return nil, p.err
		}
		if ctx.Err() != nil { // the client is gone: return no messages
			h.startGrace(box, to)
			return nil, ctx.Err()
		}
	}
}

// startGrace starts the time within which the listener must send its next request.
func (h *Hub) startGrace(box *mailbox, of *listener) {
	of.poll = nil
	var grace *time.Timer
	grace = time.AfterFunc(syncroute.ListenGrace, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if of.grace == grace { // otherwise its next request has just arrived
			h.remove(box, of)
		}
	})
	of.grace = grace
}

// endPoll ends the listener's open request, if there is one.
func (of *listener) endPoll(err error) {
	if of.poll != nil {
		of.poll.err = err
		close(of.poll.ended)
		of.poll = nil
	}
}

// remove removes a listener. If it was the owner's last, pending deliveries fail with ErrNoListener.
func (h *Hub) remove(box *mailbox, gone *listener) {
	h.detach(box, gone, nil)
	if len(box.listeners) == 0 {
		h.failPending(box, ErrNoListener)
	}
}

// detach takes a listener out of its mailbox. Afterwards the caller adds another listener or fails the pending
// deliveries.
func (h *Hub) detach(box *mailbox, gone *listener, err error) {
	gone.endPoll(err)
	if gone.grace != nil {
		gone.grace.Stop()
		gone.grace = nil
	}
	delete(box.listeners, gone.id)
	h.count--
	for _, d := range box.pending {
		delete(d.handed, gone)
	}
	if len(box.listeners) == 0 {
		delete(h.mailboxes, box.owner)
	}
}

// failAll ends all requests and all pending deliveries of a mailbox with err.
func (h *Hub) failAll(box *mailbox, err error) {
	h.failPending(box, err)
	for _, gone := range box.listeners {
		h.detach(box, gone, err)
	}
}

// DropMoved ends, with ErrMoved, all requests and deliveries of owners that belong to another swarm now. The node
// calls it after each new node list.
func (h *Hub) DropMoved() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for owner, box := range h.mailboxes {
		if !h.owns(owner) {
			h.failAll(box, ErrMoved)
		}
	}
}

// Close ends all requests and deliveries with ErrClosing. Later calls of Listen and Deliver fail with ErrClosing.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, box := range h.mailboxes {
		h.failAll(box, ErrClosing)
	}
}

// Load returns the present counts.
func (h *Hub) Load() (load Load) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, box := range h.mailboxes {
		load.Pending += len(box.pending)
		for _, listener := range box.listeners {
			if load.Listeners++; listener.poll != nil {
				load.Polling++
			}
		}
	}
	return load
}

// Load counts listeners, those of them that have a request open, and pending deliveries.
type Load struct{ Listeners, Polling, Pending int }
