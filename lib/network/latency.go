package network

import "time"

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
