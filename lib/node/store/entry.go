package store

import (
	"bytes"
	"slices"
)

// Entry is a change that Write makes: a [Deposit], or the result of [NewReplicaUpdate].
type Entry interface {
	// write makes the change. An error fails the whole transaction.
	write(t tables) error
	// size is about the number of bytes that the database grows by.
	size() int
}

// Deposit is a message that a client stores. If it is stored already, it is kept until the later of both expirations.
// If it was deleted, it is stored again.
type Deposit struct {
	content
	expiration int64
	queued     bool // for the peers

	Request []byte // the owner's request; required where a signature is needed to store

	Existed bool  // set by Write: the message was stored already
	Until   int64 // set by Write: its expiration in milliseconds
	Refused bool  // set by Write: there is no room for it, see ErrQuota
}

// NewDeposit makes a Deposit of a message whose times have been accepted. If queued is set, Write queues it for the
// peers.
func NewDeposit(m Message, queued bool) *Deposit {
	return &Deposit{content: newContent(m), expiration: m.ExpirationMillis(), queued: queued}
}

func (d *Deposit) write(t tables) error {
	t.queueing = t.queueing && d.queued
	p, known, err := t.find(d.Name)
	if err != nil {
		return err
	}
	d.Existed, d.Until = known && !p.Deleted, d.expiration
	fresh := Version{Expiration: d.expiration}
	if !d.Existed {
		room, err := t.hasRoom(d.Name, d.size(), 1)
		if err != nil {
			return err
		}
		if d.Refused = !room; d.Refused {
			return nil
		}
	}
	switch {
	case d.Existed && p.Expiration >= d.expiration:
		d.Until = p.Expiration
		return nil
	case d.Existed:
		if err := t.change(d.Name, p, Version{Number: p.Number, Expiration: d.expiration}, nil); err != nil {
			return err
		}
		return t.enqueueAgain(d.Name)
	case known:
		if err := t.drop(d.Name, p); err != nil {
			return err
		}
		fresh.Number = p.following()
	}
	sequence, err := t.create(d.content, fresh, nil, d.Request)
	if err != nil {
		return err
	}
	return t.enqueue(sequence, d.Name)
}

// replicaUpdate is a record of another node.
type replicaUpdate struct {
	content
	record    Record
	sameSwarm bool
	read      ReadRequest
}

// NewReplicaUpdate makes an Entry of a record that another node has sent and that read has verified. A tombstone deletes
// a stored message only if the owner's request is about it, and hides a message that comes later only then. Without an
// owner's request a record can make a message last longer, or bring back a deleted one, as any client can that stores
// the message again, and only if sameSwarm is set: the sender is of this swarm.
func NewReplicaUpdate(r Record, sameSwarm bool, read ReadRequest) Entry {
	n := &replicaUpdate{content: content{Name: r.Name}, record: r, sameSwarm: sameSwarm, read: read}
	if !r.Version.Deleted {
		n.content = newContent(r.Message)
	}
	return n
}

func (n *replicaUpdate) write(t tables) error {
	p, known, err := t.find(n.Name)
	if err != nil {
		return err
	}
	if known && p.Deleted && !n.record.Version.Deleted {
		return n.overTombstone(t, p)
	}
	if known {
		return n.update(t, p)
	}
	return n.create(t)
}

// create stores the record, unless it is a message for which there is no room.
func (n *replicaUpdate) create(t tables) error {
	if !n.record.Version.Deleted {
		if room, err := t.hasRoom(n.Name, n.size(), replicaSlack); err != nil || !room {
			return err
		}
	}
	_, err := t.create(n.content, n.record.Version, n.record.Request, n.record.Stored)
	return err
}

// overTombstone stores a message whose name has a tombstone: one that supersedes it, or that the tombstone's request is
// not about.
func (n *replicaUpdate) overTombstone(t tables, p place) error {
	if supersedes := n.sameSwarm && n.record.Version.Supersedes(p.Version); !supersedes {
		request := requestIn(t.requests, p.refs.version)
		if request == nil || n.deletes(request, n.record.Message) {
			return nil
		}
	}
	if err := t.drop(n.Name, p); err != nil {
		return err
	}
	return n.create(t)
}

// update gives a stored message, or a tombstone, the record's version.
func (n *replicaUpdate) update(t tables, p place) error {
	v, request := n.record.Version, n.record.Request
	switch {
	case !v.Supersedes(p.Version):
		return nil
	case v.Deleted && !p.Deleted:
		m, err := t.message(p)
		if err != nil || !n.deletes(request, m) {
			return err
		}
	case request == nil && !n.sameSwarm:
		return nil
	case request == nil && v.Expiration <= p.Expiration: // only the owner makes it shorter
		v.Expiration, request = p.Expiration, bytes.Clone(requestIn(t.requests, p.refs.version))
	}
	return t.change(n.Name, p, v, request)
}

func (n *replicaUpdate) deletes(request []byte, m Message) bool {
	read, err := n.read(n.Name.Owner(), request)
	return err == nil && read.Deletes(m)
}

// edit is a change that a message's owner makes. It does nothing to a message that is not stored.
type edit struct {
	name   Name
	decide func(Version) (Version, bool) // the new version, and whether there is one; edit sets its Number
	at     int64                         // time of the change by the asked node's clock, in milliseconds

	request []byte // the owner's

	done bool // set by write: the message was changed
}

func (e *edit) size() int { return 0 }

func (e *edit) write(t tables) error {
	e.done = false
	p, known, err := t.find(e.name)
	if err != nil || !known || p.Deleted {
		return err
	}
	after, changed := e.decide(p.Version)
	if !changed {
		return nil
	}
	e.done = true
	after.Number = p.next(e.at)
	return t.change(e.name, p, after, e.request)
}

// requeue queues messages for the peers, as they are when their turn comes.
type requeue []Name

func (l requeue) size() int { return 0 }

func (l requeue) write(t tables) error {
	for _, name := range l {
		if err := t.enqueueAgain(name); err != nil {
			return err
		}
	}
	return nil
}

// maxEdits bounds the messages that one transaction changes.
const maxEdits = 500

// Edit changes messages as decide says, and returns those that it changed, as they were before. decide returns the new
// version, of which Edit sets the Number, and false for no change. at is the time of the change in milliseconds, and
// request is what the owner signed for it, which other nodes will ask for. On disk are then all changes, or with an error
// the first of them.
func (s *Store) Edit(
	messages []Summary, at int64, request []byte, decide func(Summary, Version) (Version, bool),
) (changed []Summary, err error) {
	for part := range slices.Chunk(messages, maxEdits) {
		edits := make([]*edit, len(part))
		entries := make([]Entry, len(part))
		for i, h := range part {
			edits[i] = &edit{name: h.Name, at: at, request: request, decide: func(l Version) (Version, bool) { return decide(h, l) }}
			entries[i] = edits[i]
		}
		if err := s.Write(entries...); err != nil {
			return changed, err
		}
		for i, e := range edits {
			if e.done {
				changed = append(changed, part[i])
			}
		}
	}
	return changed, nil
}

// Enqueue queues messages for all peers, as they are when their turn comes. Peers that have them already ignore them.
func (s *Store) Enqueue(names []Name) error {
	for part := range slices.Chunk(names, maxEdits) {
		if err := s.Write(requeue(part)); err != nil {
			return err
		}
	}
	return nil
}
