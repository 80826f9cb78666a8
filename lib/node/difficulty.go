package node

import (
	"math"
	"sync"
	"time"

	"sessiontool/lib/rpc"
)

// difficultySlack is how far a message's timestamp may lie from a change of difficulty for either value to do.
const difficultySlack = 15 * time.Minute

// difficulty is the proof of work that a node asks for, and what it asked for before, which decides about messages
// that peers push later (node notes, section 3). It is safe for concurrent use.
type difficulty struct {
	mu      sync.RWMutex
	entries []difficultyEntry // by ascending time; never empty
}

type difficultyEntry struct {
	since int64 // milliseconds since 1970
	value uint64
}

// newDifficulty starts a history in which value has always been in force.
func newDifficulty(value uint64) *difficulty {
	return &difficulty{entries: []difficultyEntry{{value: value}}}
}

// set puts value in force from now on. What no message that is still alive can be judged by is forgotten.
func (d *difficulty) set(value uint64, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	oldest := now.UnixMilli() - rpc.MaxTTLMillis - difficultySlack.Milliseconds()
	for len(d.entries) > 1 && d.entries[1].since < oldest {
		d.entries = d.entries[1:]
	}
	since := max(now.UnixMilli(), d.entries[len(d.entries)-1].since)
	d.entries = append(d.entries, difficultyEntry{since: since, value: value})
}

// current is what a client's message has to meet.
func (d *difficulty) current() uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.entries[len(d.entries)-1].value
}

// at is what a pushed message stamped with timestamp (milliseconds) has to meet: the least of the value in force
// before that time and of those that came into force within difficultySlack of it.
func (d *difficulty) at(timestamp int64) uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	before, near := uint64(math.MaxInt32), uint64(math.MaxInt32)
	for _, entry := range d.entries {
		if entry.since < timestamp {
			before = entry.value
		}
		if distance := entry.since - timestamp; -difficultySlack.Milliseconds() <= distance && distance <= difficultySlack.Milliseconds() {
			near = min(near, entry.value)
		}
	}
	return min(before, near)
}
