package network

import (
	"context"
	"sync"

	"sessiontool/lib/sessionid"
)

const (
	// lookupsAtOnce is how many swarms are looked up at a time before they are needed. Each is asked of another node: a
	// node that was asked for several of them would learn who the recipients of one batch are.
	lookupsAtOnce = 64
	// maxExpected bounds the swarms that are looked up, or wait for that.
	maxExpected = 1024
)

// lookahead are the lookups of swarms that will be needed.
type lookahead struct {
	mu      sync.Mutex
	over    map[sessionid.ID]chan struct{} // of each expected swarm: closed at the end of its lookup
	waiting []sessionid.ID
	running int
}

// ExpectSwarm begins to look up id's swarm unless that is cached, because [Client.Swarm] will ask for it. Swarm waits
// for the result. Close ends what has not ended.
func (c *Client) ExpectSwarm(id sessionid.ID) {
	if len(c.cachedSwarm(id)) >= SwarmTargets {
		return
	}
	l := &c.ahead
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over[id] != nil || len(l.over) >= maxExpected {
		return
	}
	if l.over == nil {
		l.over = make(map[sessionid.ID]chan struct{})
	}
	l.over[id] = make(chan struct{})
	l.waiting = append(l.waiting, id)
	if l.running < lookupsAtOnce {
		l.running++
		c.lookups.Go(c.lookAhead)
	}
}

// lookAhead looks up swarms that wait for it.
func (c *Client) lookAhead() {
	l := &c.ahead
	for {
		l.mu.Lock()
		if len(l.waiting) == 0 || c.background.Err() != nil {
			l.running--
			l.mu.Unlock()
			return
		}
		id := l.waiting[0]
		l.waiting = l.waiting[1:]
		l.mu.Unlock()
		if _, err := c.LookupSwarm(c.background, id); err != nil {
			c.log.Info("a swarm is not known yet", "error", err) // the request that needs it asks again
		}
		l.mu.Lock()
		close(l.over[id])
		delete(l.over, id)
		l.mu.Unlock()
	}
}

// awaitLookup waits for the end of an expected lookup of id's swarm, if there is one. The error is the cause of ctx.
func (c *Client) awaitLookup(ctx context.Context, id sessionid.ID) error {
	c.ahead.mu.Lock()
	over := c.ahead.over[id]
	c.ahead.mu.Unlock()
	if over == nil {
		return nil
	}
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
