// Package difficulty is the history of the proof of work that a node requires (storage-2.0.md section 3.3). It has no
// clock and no disk: times are arguments, and the node stores what [History.Encode] returns.
package difficulty

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/storage"
)

// Slack is the time around a change of difficulty in which both values are accepted.
const Slack = 15 * time.Minute

// entrySize is the size of an encoded entry.
const entrySize = 16

// ErrDamaged reports an encoded history that is cut off.
var ErrDamaged = errors.New("the stored difficulty is damaged")

// History is the proof of work that a node requires, with the earlier values, which apply to messages that peers push
// later. It is safe for concurrent use.
type History struct {
	mu      sync.RWMutex
	entries []Entry // by ascending time; never empty
}

// Entry is a value and the time since which it is required, in milliseconds since 1970.
type Entry struct {
	Since int64
	Value uint64
}

// New starts a history: 1 from the beginning, as in the 2020 server, and value from now on.
func New(value uint64, now time.Time) *History {
	d := &History{entries: []Entry{{Value: 1}}}
	d.Set(value, now)
	return d
}

// Set makes value the difficulty from now on. It drops entries that apply to expired messages only.
func (d *History) Set(value uint64, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	last := d.entries[len(d.entries)-1]
	if value == last.Value {
		return
	}
	oldest := now.UnixMilli() - storage.MaxTTLMillis20 - Slack.Milliseconds()
	for len(d.entries) > 1 && d.entries[1].Since < oldest {
		d.entries = d.entries[1:]
	}
	d.entries = append(d.entries, Entry{Since: max(now.UnixMilli(), last.Since), Value: value})
}

// Encode returns the history for the disk: time and value of each entry, big-endian u64.
func (d *History) Encode() (text []byte) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, entry := range d.entries {
		text = binary.BigEndian.AppendUint64(text, uint64(entry.Since))
		text = binary.BigEndian.AppendUint64(text, entry.Value)
	}
	return text
}

// Load decodes the text of Encode. An empty text means a new node.
func Load(text []byte, now time.Time) (*History, error) {
	if len(text) == 0 {
		return New(1, now), nil
	}
	if len(text)%entrySize != 0 {
		return nil, ErrDamaged
	}
	d := &History{}
	for ; len(text) > 0; text = text[entrySize:] {
		d.entries = append(d.entries, Entry{
			Since: int64(binary.BigEndian.Uint64(text)), Value: binary.BigEndian.Uint64(text[8:]),
		})
	}
	return d, nil
}

// Entries returns the history, by ascending time.
func (d *History) Entries() []Entry {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Clone(d.entries)
}

// Replace makes entries, at least one and by ascending time, the history. It is for replays of recordings.
func (d *History) Replace(entries []Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = slices.Clone(entries)
}

// Current returns the difficulty that a client's message must meet.
func (d *History) Current() uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.entries[len(d.entries)-1].Value
}

// Of returns the difficulty that a replica with this timestamp (milliseconds) must meet: that of At or, if it is lower,
// a value that was replaced within Slack before. The node that took the message may have learned of the change
// later than this one, and a message that no other member takes is lost with that node.
func (d *History) Of(timestamp int64) uint64 {
	least := d.At(timestamp)
	d.mu.RLock()
	defer d.mu.RUnlock()
	for i, entry := range d.entries {
		if since := timestamp - entry.Since; i > 0 && 0 <= since && since <= Slack.Milliseconds() {
			least = min(least, d.entries[i-1].Value)
		}
	}
	return least
}

// At returns the difficulty for a pushed message with this timestamp (milliseconds) in the 2020 server: the least of the
// value before that time and of those that took effect within Slack of it (storage-2.0.md section 3.3).
func (d *History) At(timestamp int64) uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	before, near := uint64(math.MaxInt32), uint64(math.MaxInt32)
	for _, entry := range d.entries {
		if entry.Since < timestamp {
			before = entry.Value
		}
		distance, slack := entry.Since-timestamp, Slack.Milliseconds()
		if -slack <= distance && distance <= slack {
			near = min(near, entry.Value)
		}
	}
	return min(before, near)
}
