package page

import (
	"slices"
	"time"
)

// message is a message on its way through its swarm.
type message struct {
	Hash   string   `json:"hash"` // the beginning of it
	First  int64    `json:"t"`    // when the first node stored it, in milliseconds
	Swarm  string   `json:"swarm"`
	Need   int      `json:"need"`   // members of the swarm
	Copies []holder `json:"copies"` // in order of arrival
}

// holder is a node that has a message.
type holder struct {
	Node  int   `json:"i"`
	From  int   `json:"from"`  // the node that sent it; client if a client sent it, too; or stranger
	After int64 `json:"after"` // milliseconds after the first node
}

// followed is the newest messages that nodes have stored, at most maxFollowed. The zero value has none.
type followed struct {
	byHash map[string]*message
	order  []*message // oldest first
	unsent []*message // in order of their last change, each once
}

// maxCopies bounds the holders of a message.
const maxCopies = 64

// add notes that node i has stored a message, which came from another node or a client. A message that is already with
// more nodes than this page has followed is not taken up, unless it comes from a client.
func (f *followed) add(hash string, i, from int, now time.Time, v *view) {
	hash = hash[:min(len(hash), shownHash)]
	m := f.byHash[hash]
	if m == nil {
		if from != client {
			return
		}
		m = f.take(hash, i, now, v)
	}
	at := slices.IndexFunc(m.Copies, func(h holder) bool { return h.Node == i })
	switch {
	case at >= 0 && from == client:
		m.Copies[at].From = client // another member was faster than the client
	case at >= 0 || len(m.Copies) >= maxCopies:
		return
	default:
		m.Copies = append(m.Copies, holder{i, from, milliseconds(now) - m.First})
	}
	f.unsent = append(slices.DeleteFunc(f.unsent, func(other *message) bool { return other == m }), m)
	if len(f.unsent) > maxMessagesInFrame {
		f.unsent = f.unsent[1:]
	}
}

// take begins to follow a message, in place of the oldest one.
func (f *followed) take(hash string, i int, now time.Time, v *view) *message {
	if f.byHash == nil {
		f.byHash = make(map[string]*message)
	}
	if len(f.order) >= maxFollowed {
		delete(f.byHash, f.order[0].Hash)
		f.order = slices.Delete(f.order, 0, 1)
	}
	m := &message{Hash: hash, First: milliseconds(now), Swarm: v.nodes[i].Swarm(), Need: v.members(i)}
	f.byHash[hash] = m
	f.order = append(f.order, m)
	return m
}

// latest returns the newest messages, newest first.
func (f *followed) latest(count int) []*message {
	newest := append([]*message{}, f.order[max(0, len(f.order)-count):]...) // not null in JSON
	slices.Reverse(newest)
	return newest
}

func (f *followed) changed() bool { return len(f.unsent) > 0 }

func (f *followed) sent() { f.unsent = nil }
