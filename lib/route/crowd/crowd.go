// Package crowd decides which of many messages to a recipient that listens are delivered, and which are stored.
//
// A delivery takes a round trip in which no other message to the recipient can be delivered. So of many messages that
// wait together all but the last few are stored, many at a time. The recipient fetches them before it shows one that is
// delivered.
package crowd

import (
	"context"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/sessionid"
)

const (
	// mostDelivered is how many messages to a recipient are delivered one after the other, of those that wait together.
	mostDelivered = 4
	// mostOvertaken is how many stored messages one that is delivered may overtake: the listener fetches them meanwhile.
	// burstOver is how long after the last of more than that the listener has polled for them.
	mostOvertaken = 32
	burstOver     = 15 * time.Second
)

// Crowds are the messages to each recipient that are neither sent nor given up, in their order. The zero value is
// empty. It is safe for concurrent use.
type Crowds struct {
	mu     sync.Mutex
	of     map[sessionid.ID][]*Member
	stored map[sessionid.ID]burst
}

// burst is how many messages in a row were stored for a recipient that listens, and when the last was.
type burst struct {
	count int
	last  time.Time
}

// Member is a message that waits or is under way.
type Member struct {
	crowds *Crowds
	to     sessionid.ID
	left   chan struct{} // closed when the message was sent or given up
	leave  sync.Once
}

// Join puts a message behind the others to a recipient. [Member.Leave] must be called when it was sent or given up.
func (c *Crowds) Join(to sessionid.ID) *Member {
	m := &Member{crowds: c, to: to, left: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of, c.stored = make(map[sessionid.ID][]*Member), make(map[sessionid.ID]burst)
	}
	c.of[to] = append(c.of[to], m)
	return m
}

// Leave takes the message out of the crowd. It may be called more than once.
func (m *Member) Leave() {
	m.leave.Do(func() {
		c := m.crowds
		c.mu.Lock()
		defer c.mu.Unlock()
		close(m.left)
		c.of[m.to] = slices.DeleteFunc(c.of[m.to], func(other *Member) bool { return other == m })
		if len(c.of[m.to]) == 0 {
			delete(c.of, m.to)
		}
	})
}

// Deliverable reports whether the message is delivered if it can be. One that is delivered waits until those before it
// are stored; if that takes longer than a time, it is stored as well. The error is the cause of ctx's end.
func (m *Member) Deliverable(ctx context.Context, most time.Duration) (bool, error) {
	before, one := m.oneOfMany()
	if one {
		return false, nil
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	for _, earlier := range before {
		select {
		case <-earlier.left:
		case <-timer.C:
			return false, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	return true, nil
}

// oneOfMany reports whether the message is one of so many that it is stored. Otherwise it returns those before it.
func (m *Member) oneOfMany() (before []*Member, yes bool) {
	c := m.crowds
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.of[m.to]
	i := slices.Index(all, m)
	if i < 0 { // it has left
		return nil, false
	}
	stored := c.stored[m.to]
	if time.Since(stored.last) > burstOver {
		stored.count = 0
	}
	if behind := len(all) - i - 1; behind >= mostDelivered || stored.count > mostOvertaken {
		c.stored[m.to] = burst{stored.count + 1, time.Now()}
		return nil, true
	}
	delete(c.stored, m.to)
	return slices.Clone(all[:i]), false
}
