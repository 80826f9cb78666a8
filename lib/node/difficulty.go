package node

import (
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"time"

	"sessiontool/lib/storage"
)

// difficultySlack is the time around a change of difficulty in which both values are accepted.
const difficultySlack = 15 * time.Minute

// difficultyKey is the key of the encoded history in the store.
var difficultyKey = []byte("difficulty")

// difficultyEntrySize is the size of an encoded entry.
const difficultyEntrySize = 16

var errDifficulty = errors.New("the stored difficulty is damaged")

// difficulty is the proof of work that a node requires, with the earlier values, which apply to messages that peers
// push later (storage-2.0.md section 3.3). It is safe for concurrent use.
type difficulty struct {
	mu      sync.RWMutex
	entries []difficultyEntry // by ascending time; never empty
}

type difficultyEntry struct {
	since int64 // milliseconds since 1970
	value uint64
}

// newDifficulty starts a history: 1 from the beginning, as in the 2020 server, and value from now on.
func newDifficulty(value uint64, now time.Time) *difficulty {
	d := &difficulty{entries: []difficultyEntry{{value: 1}}}
	d.set(value, now)
	return d
}

// set makes value the difficulty from now on. It drops entries that apply to expired messages only.
func (d *difficulty) set(value uint64, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	last := d.entries[len(d.entries)-1]
	if value == last.value {
		return
	}
	oldest := now.UnixMilli() - storage.MaxTTLMillis20 - difficultySlack.Milliseconds()
	for len(d.entries) > 1 && d.entries[1].since < oldest {
		d.entries = d.entries[1:]
	}
	d.entries = append(d.entries, difficultyEntry{since: max(now.UnixMilli(), last.since), value: value})
}

// encode returns the history for the disk: time and value of each entry, big-endian u64.
func (d *difficulty) encode() (text []byte) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, entry := range d.entries {
		text = binary.BigEndian.AppendUint64(text, uint64(entry.since))
		text = binary.BigEndian.AppendUint64(text, entry.value)
	}
	return text
}

// loadDifficulty decodes the text of encode. An empty text means a new node.
func loadDifficulty(text []byte, now time.Time) (*difficulty, error) {
	if len(text) == 0 {
		return newDifficulty(1, now), nil
	}
	if len(text)%difficultyEntrySize != 0 {
		return nil, errDifficulty
	}
	d := &difficulty{}
	for ; len(text) > 0; text = text[difficultyEntrySize:] {
		d.entries = append(d.entries, difficultyEntry{
			since: int64(binary.BigEndian.Uint64(text)), value: binary.BigEndian.Uint64(text[8:]),
		})
	}
	return d, nil
}

// current returns the difficulty that a client's message must meet.
func (d *difficulty) current() uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.entries[len(d.entries)-1].value
}

// of returns the difficulty that a replica with this timestamp (milliseconds) must meet: that of at or, if it is lower,
// a value that was replaced within difficultySlack before. The node that took the message may have learned of the change
// later than this one, and a message that no other member takes is lost with that node.
func (d *difficulty) of(timestamp int64) uint64 {
	least := d.at(timestamp)
	d.mu.RLock()
	defer d.mu.RUnlock()
	for i, entry := range d.entries {
		if since := timestamp - entry.since; i > 0 && 0 <= since && since <= difficultySlack.Milliseconds() {
			least = min(least, d.entries[i-1].value)
		}
	}
	return least
}

// at returns the difficulty for a pushed message with this timestamp (milliseconds) in the 2020 server: the least of the
// value before that time and of those that took effect within difficultySlack of it (storage-2.0.md section 3.3).
func (d *difficulty) at(timestamp int64) uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	before, near := uint64(math.MaxInt32), uint64(math.MaxInt32)
	for _, entry := range d.entries {
		if entry.since < timestamp {
			before = entry.value
		}
		distance, slack := entry.since-timestamp, difficultySlack.Milliseconds()
		if -slack <= distance && distance <= slack {
			near = min(near, entry.value)
		}
	}
	return min(before, near)
}
