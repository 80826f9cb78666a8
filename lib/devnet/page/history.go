package page

import (
	"slices"
	"time"
)

// second is what happened in one second, and how the network was at its end. A change of a node's status is shown even
// if it was undone within the second.
type second struct {
	at       int64 // Unix time in seconds
	counts   [kinds]uint32
	edges    []counted
	statuses []status // shared with the view, as messages is
	messages []uint32
	topology int64
}

// maxSecondEdges bounds the edges that a second keeps.
const maxSecondEdges = 120

// mark is a change of the network that the timeline points out.
type mark struct {
	At   int64  `json:"t"` // in milliseconds
	Text string `json:"text"`
}

// history is the last historySeconds, fewer for a large network. The zero value is empty.
type history struct {
	seconds []second // oldest first; not every second has an entry
	marks   []mark
	unsent  []mark
}

// add adds a frame to the present second. The second has an entry if anything happened in it.
func (h *history) add(now time.Time, f *frame, v *view) {
	at := now.Unix()
	if len(h.seconds) == 0 || h.seconds[len(h.seconds)-1].at != at {
		h.seconds = append(h.seconds, second{at: at})
	}
	s := &h.seconds[len(h.seconds)-1]
	for kind, count := range f.counts {
		s.counts[kind] += count
	}
	room := maxSecondEdges - len(s.edges)
	s.edges = append(s.edges, f.edges[:min(len(f.edges), room)]...)
	if !h.changedInLast(v) {
		s.statuses = v.statuses
	}
	s.messages, s.topology = v.messages, v.topology
	limit := historySeconds
	if len(v.nodes) > 0 {
		limit = min(limit, maxHistoryCells/len(v.nodes))
	}
	if over := len(h.seconds) - limit; over > 0 {
		h.seconds = append(h.seconds[:0:0], h.seconds[over:]...)
	}
}

// changedInLast says whether the last second has shown a change of statuses already, in the network of v.
func (h *history) changedInLast(v *view) bool {
	n := len(h.seconds)
	if n < 2 || h.seconds[n-1].topology != v.topology || h.seconds[n-2].topology != v.topology {
		return false
	}
	last := h.seconds[n-1].statuses
	return last != nil && !slices.Equal(last, h.seconds[n-2].statuses)
}

func (h *history) mark(now time.Time, text string) {
	m := mark{milliseconds(now), text}
	h.marks = append(h.marks, m)
	if over := len(h.marks) - maxMarks; over > 0 {
		h.marks = append(h.marks[:0:0], h.marks[over:]...)
	}
	h.unsent = append(h.unsent, m)
	if over := len(h.unsent) - maxMarks; over > 0 {
		h.unsent = h.unsent[over:]
	}
}

func (h *history) sent() { h.unsent = nil }

// find returns the last second at or before a Unix time. It returns nil if the history begins later.
func (h *history) find(at int64) *second {
	for i := len(h.seconds) - 1; i >= 0; i-- {
		if h.seconds[i].at <= at {
			return &h.seconds[i]
		}
	}
	return nil
}
