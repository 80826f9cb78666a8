package network

import (
	"slices"
	"time"
)

const (
	// lateUnknown is when an answer is late while nothing is known of the network.
	lateUnknown = time.Second
	// lateSoonest, which Config.Late replaces, and lateLatest bound the learned value. Below the first, the noise of a
	// busy machine would count as a fault.
	lateSoonest = 200 * time.Millisecond
	lateLatest  = 5 * time.Second
	// maxSamples bounds the answer times that are kept of each method within one run.
	maxSamples = 64
	// fewSamples is how many answers of this run are needed before the values of earlier runs are ignored.
	fewSamples = 8
	// anyMethod collects the answer times of all methods that nodes answer at once.
	anyMethod = "*"
)

// lateAfter returns when an answer to a method is late: after the 95th percentile of this run and earlier ones, rounded
// up to a power of two. For a patient call that is not Hedged, the network's other answers count.
func (c *Client) lateAfter(call Call) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := []string{call.learnedAs(), anyMethod}
	if call.patient() && !call.Hedged {
		names = names[1:]
	}
	for _, name := range names {
		kept, found := c.state.Answers[name]
		samples := c.samples[name]
		if len(samples) > 0 {
			learned := bucket(percentile95(samples))
			if len(samples) >= fewSamples || !found {
				kept = learned
			}
			kept, found = max(kept, learned), true
		}
		if found {
			return max(min(time.Duration(kept)*time.Millisecond, lateLatest), c.soonest)
		}
	}
	return max(lateUnknown, c.soonest)
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
	for _, name := range names {
		samples := append(c.samples[name], took)
		c.samples[name] = samples[max(len(samples)-maxSamples, 0):]
	}
}

// keepAnswers stores the answer times of this run in the state. Slower answers count at once; faster ones halve the
// stored value, so that one quick run does not undo the experience of many. Powers of two keep the file unchanged in
// steady state.
func (c *Client) keepAnswers() {
	if len(c.samples) > 0 && c.state.Answers == nil {
		c.state.Answers = make(map[string]int64)
	}
	for name, samples := range c.samples {
		learned, kept := bucket(percentile95(samples)), c.state.Answers[name]
		c.state.Answers[name] = max(learned, kept/2)
	}
}

// percentile95 is the time within which 95 of 100 samples lie; of few samples the longest.
func percentile95(samples []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[(len(sorted)*95+99)/100-1]
}

// bucket returns d in milliseconds, rounded up to a power of two and to at least lateSoonest.
func bucket(d time.Duration) int64 {
	result := int64(1)
	for result < max(d, lateSoonest/2).Milliseconds() {
		result *= 2
	}
	return result
}
