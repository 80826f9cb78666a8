// Package forward carries the changes that clients of storage RPC 2.8 make at one member of a swarm to the others.
//
// While a group of changes is on its way to a member, further changes for it are collected, and then go together: one
// request, and at the member one transaction. Groups travel over links (package link), which authenticate both nodes
// when they are opened, so that a group needs no signature. A member without such a link gets every change as a signed
// HTTPS request of its own.
package forward

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"sessiontool/lib/node/link"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/storage"
)

// maxFlying bounds the groups that are on their way to one member. With two of them the member works on one while the
// other one travels.
const maxFlying = 2

// maxBytes bounds a group of more than one change.
const maxBytes = 256 << 10

// errNoAnswer reports a member that ended a request without an answer.
var errNoAnswer = errors.New("member gives no answer")

// Config says how a [Forwarder] reaches other nodes. All fields are required.
type Config struct {
	// Group sends a group to a node and returns its answer. The error is [link.ErrNoLink] for a node that takes no
	// groups. It has the type of [link.Links.Forward].
	Group func(ctx context.Context, to *ring.Peer, group []byte) (status int, answer []byte, err error)
	// Single sends one change to a node.
	Single func(ctx context.Context, to *ring.Peer, change []byte) (Result, error)
	// Patience bounds the time of a group.
	Patience time.Duration
	// Patient makes [Forwarder.Ask] wait for a member until its context ends even if the connection fails.
	Patient bool
	Log     *slog.Logger
}

// Forwarder sends changes to other members. It is safe for concurrent use.
type Forwarder struct {
	config Config
	tasks  sync.WaitGroup // groups and single changes on their way

	mu    sync.Mutex
	lines map[string]*line // by the peer's name
}

// New makes a Forwarder.
func New(config Config) *Forwarder {
	return &Forwarder{config: config, lines: make(map[string]*line)}
}

// Wait returns when nothing is on its way any more. The caller no longer calls Send.
func (f *Forwarder) Wait() { f.tasks.Wait() }

// line is the changes for one member.
type line struct {
	waiting []*call
	flying  int // groups on their way
}

// call is one change for one member.
type call struct {
	ctx    context.Context
	to     *ring.Peer
	change []byte
	done   func(Result, error)
}

// Send sends a change to a member and returns. It calls done with the result, from another goroutine and not after the
// Patience of the Forwarder, even if ctx ends earlier. Changes that are still waiting when ctx ends are not sent. If
// alone is set, the change does not wait for others and others do not wait for it.
func (f *Forwarder) Send(
	ctx context.Context, to *ring.Peer, change []byte, alone bool, done func(Result, error),
) {
	c := &call{ctx, to, change, done}
	if alone || len(change) > maxBytes {
		f.tasks.Go(func() { f.sendGroup([]*call{c}) })
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.lines[to.Name()]
	if l == nil {
		l = &line{}
		f.lines[to.Name()] = l
	}
	l.waiting = append(l.waiting, c)
	if l.flying < maxFlying {
		l.flying++
		f.tasks.Go(func() { f.run(to.Name(), l) })
	}
}

// run sends group after group to a member until no change waits.
func (f *Forwarder) run(name string, l *line) {
	for {
		group := f.next(name, l)
		if group == nil {
			return
		}
		f.sendGroup(group)
	}
}

// next returns the changes of the next group. When no change waits it returns nil and ends this sender.
func (f *Forwarder) next(name string, l *line) (group []*call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	count, size := 0, 0
	for count < len(l.waiting) && count < MaxGroup && (count == 0 || size+len(l.waiting[count].change) <= maxBytes) {
		size += len(l.waiting[count].change)
		count++
	}
	if count == 0 {
		if l.flying--; l.flying == 0 {
			delete(f.lines, name)
		}
		return nil
	}
	group = l.waiting[:count:count]
	l.waiting = append([]*call(nil), l.waiting[count:]...)
	return group
}

// sendGroup sends a group of one member and reports the results.
func (f *Forwarder) sendGroup(group []*call) {
	size := 0
	for _, c := range group {
		size += changeHead + len(c.change)
	}
	body, open := make([]byte, 0, size), group[:0:0]
	for _, c := range group {
		if err := c.ctx.Err(); err != nil {
			c.done(Result{}, err)
			continue
		}
		body, open = appendChange(body, c.change), append(open, c)
	}
	if len(open) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(open[0].ctx), f.config.Patience)
	defer cancel()
	status, answer, err := f.config.Group(ctx, open[0].to, body)
	if errors.Is(err, link.ErrNoLink) {
		f.sendSingly(open)
		return
	}
	report(open, status, answer, err)
}

// report passes on the results of a group.
func report(group []*call, status int, answer []byte, err error) {
	if err == nil && status == 0 {
		err = errNoAnswer
	}
	var results []Result
	if err == nil && status == storage.StatusOK {
		results, err = parseAnswer(answer, len(group))
	}
	for i, c := range group {
		switch {
		case err != nil:
			c.done(Result{}, err)
		case results == nil: // the whole group was refused
			c.done(Result{status, answer}, nil)
		default:
			c.done(results[i], nil)
		}
	}
}

// sendSingly sends each change on its own.
func (f *Forwarder) sendSingly(group []*call) {
	for _, c := range group {
		f.tasks.Go(func() { c.done(f.config.Single(c.ctx, c.to, c.change)) })
	}
}
