package store

import (
	"slices"
)

// entry is something that the committer writes, prepared where requests run side by side.
type Entry interface {
	// write makes the change. What fails makes the whole transaction fail.
	write(t tables) error
	// size is about how much the database grows by, in bytes.
	size() int
}

// deposit is a message that a client stores. If it is there already it is kept until the later of both times, and if it
// was deleted it is there again.
type Deposit struct {
	content
	expiration int64
	queued     bool // the peers have to get it

	Existed bool  // set by write: it was there
	Until   int64 // set by write: when it expires now
}

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
	switch {
	case d.Existed && p.Expiration >= d.expiration:
		d.Until = p.Expiration
		return nil
	case d.Existed:
		if err := t.change(d.Name, p, Version{Number: p.Number, Expiration: d.expiration}); err != nil {
			return err
		}
		return t.enqueueAgain(d.Name)
	case known:
		if err := t.drop(d.Name, p); err != nil {
			return err
		}
		fresh.Number = p.Number + 1
	}
	sequence, err := t.create(d.content, fresh)
	if err != nil {
		return err
	}
	return t.enqueue(sequence, d.Name)
}

// news is a record that another node has given. Of what is known here already only a node of the same swarm, a fellow,
// can change the life.
type replicaUpdate struct {
	content
	version   Version
	sameSwarm bool
}

func NewReplicaUpdate(r Record, sameSwarm bool) *replicaUpdate {
	n := &replicaUpdate{content: content{Name: r.Name}, version: r.Version, sameSwarm: sameSwarm}
	if !r.Version.Deleted {
		n.content = newContent(r.Message)
	}
	return n
}

func (n *replicaUpdate) write(t tables) error {
	p, known, err := t.find(n.Name)
	switch {
	case err != nil:
		return err
	case known && (!n.sameSwarm || !n.version.Supersedes(p.Version)):
		return nil
	case known && p.Deleted && !n.version.Deleted:
		if err := t.drop(n.Name, p); err != nil {
			return err
		}
	case known:
		return t.change(n.Name, p, n.version)
	}
	_, err = t.create(n.content, n.version)
	return err
}

// edit is a change that a message's owner makes to it. It does nothing to a message that is not there.
type edit struct {
	name   Name
	decide func(Version) (Version, bool) // what becomes of it, unless nothing does; the version is the one that edit sets
	at     int64                         // the time of the change, by the clock of the node that was asked

	done bool // set by write: there was something to change
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
	return t.change(e.name, p, after)
}

// line puts messages into the line for the peers, as they will be when their turn comes.
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

// maxEdits bounds how many messages are changed in one transaction.
const maxEdits = 500

// edit changes messages as decide says and returns those that it has changed, as they were before.
func (s *Store) Edit(messages []Summary, at int64, decide func(Summary, Version) (Version, bool)) (changed []Summary, err error) {
	for part := range slices.Chunk(messages, maxEdits) {
		edits := make([]*edit, len(part))
		entries := make([]Entry, len(part))
		for i, h := range part {
			edits[i] = &edit{name: h.Name, at: at, decide: func(l Version) (Version, bool) { return decide(h, l) }}
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

// enqueue queues messages for all peers, as they will be when their turn comes. Peers that have them already ignore them.
func (s *Store) Enqueue(names []Name) error {
	for part := range slices.Chunk(names, maxEdits) {
		if err := s.Write(requeue(part)); err != nil {
			return err
		}
	}
	return nil
}
