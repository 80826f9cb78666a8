package network

import (
	"sync"
	"time"
)

// anyMethod collects the answer times of all methods that nodes answer at once.
const anyMethod = "*"

// lateAfter returns when an answer to a call is late, as other answers of this run and earlier ones show: those to its
// method, or for a patient call that is not Hedged, those to all methods.
func (c *Client) lateAfter(call Call) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := []string{call.learnedAs(), anyMethod}
	if call.patient() && !call.Hedged {
		names = names[1:]
	}
	late := c.samples.Late(c.state.Answers, c.soonest, names...)
	if call.Handed {
		late *= 2
	}
	return late
}

// examineAfter returns when the way of a call is examined because its answer is late. Calls to which no node answers at
// once have until others are late that nodes answer at once. If they are Hedged, answers to the same method also count,
// but at most for twice that time: each of them may have waited for the same node.
func (c *Client) examineAfter(call Call) time.Duration {
	plain := call
	plain.Hedged = false
	late := c.lateAfter(plain)
	if call.patient() && call.Hedged {
		late = max(late, min(c.lateAfter(call), 2*late))
	}
	return late
}

// learnedAs is the key of the call's answer times.
func (c Call) learnedAs() string {
	if c.Hedged {
		return c.Method + "+"
	}
	return c.Method
}

// learnAnswer records how long a node took for an answer.
func (c *Client) learnAnswer(call Call, took time.Duration) {
	names := []string{call.learnedAs(), anyMethod}
	switch {
	case call.patient() && !call.Hedged:
		return
	case call.patient():
		names = names[:1]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.samples.Learn(took, names...)
}

const (
	// mostSpares is how many requests may be repeated at once because their answers are late: those of a batch whose
	// paths lead through a node that has just failed.
	mostSpares = 128
	// sparesEarned is how many more each request allows. So a machine or a network that is too busy to answer in the
	// usual time gets little more to do.
	sparesEarned = 0.1
)

// spares count the requests that may be repeated because an answer is late. What is late beyond that is only examined.
type spares struct {
	mu   sync.Mutex
	used float64 // of mostSpares
}

// earn counts a request.
func (s *spares) earn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = max(s.used-sparesEarned, 0)
}

// spend takes one, if there is any.
func (s *spares) spend() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used > mostSpares-1 {
		return false
	}
	s.used++
	return true
}
