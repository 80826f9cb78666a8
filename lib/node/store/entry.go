package store

import (
	"bytes"
	"slices"
)

// Entry is a change that [Store.Write] makes: a [Deposit], or the result of [NewReplicaUpdate].
type Entry interface {
	// write makes the change. An error fails the whole transaction.
	write(t tables) error
	// size returns about the number of bytes that the database grows by.
	size() int
}

// Deposit is a message that a client stores. A message that is stored already is kept until the later of both
// expirations. A deleted message is stored again.
type Deposit struct {
	content
	expiration int64
	queued     bool // queue the message for the peers

	Request []byte // the owner's request; required in namespaces that only the owner may store to

	Existed bool  // set by Write: the message was stored already
	Until   int64 // set by Write: its expiration in milliseconds
	Refused bool  // set by Write: the quota is used up, see ErrQuota
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

// NewReplicaUpdate makes an Entry of a verified record from another node. read reads the owner's requests.
//
// A tombstone deletes a stored message, or hides one that comes later, only if the owner's request covers that message.
// A record without an owner's request can extend a message or restore a deleted one, as any client can by storing the
// message again, but only if sameSwarm is set: the sender belongs to this swarm.
func NewReplicaUpdate(r Record, sameSwarm bool, read ReadRequest) Entry {
	u := &replicaUpdate{content: content{Name: r.Name}, record: r, sameSwarm: sameSwarm, read: read}
	if !r.Version.Deleted {
		u.content = newContent(r.Message)
	}
	return u
}

func (u *replicaUpdate) write(t tables) error {
	p, known, err := t.find(u.Name)
	if err != nil {
		return err
	}
	if known && p.Deleted && !u.record.Version.Deleted {
		return u.overTombstone(t, p)
	}
	if known {
		return u.update(t, p)
	}
	return u.create(t)
}

// create stores the record, unless it is a message for which there is no room.
func (u *replicaUpdate) create(t tables) error {
	if !u.record.Version.Deleted {
		if room, err := t.hasRoom(u.Name, u.size(), replicaSlack); err != nil || !room {
			return err
		}
	}
	_, err := t.create(u.content, u.record.Version, u.record.Request, u.record.Stored)
	return err
}

// overTombstone stores a message whose name has a tombstone, if the message supersedes the tombstone or the tombstone's
// request does not cover the message.
func (u *replicaUpdate) overTombstone(t tables, p place) error {
	if supersedes := u.sameSwarm && u.record.Version.Supersedes(p.Version); !supersedes {
		request := requestIn(t.requests, p.refs.version)
		if request == nil || u.deletes(request, u.record.Message) {
			return nil
		}
	}
	if err := t.drop(u.Name, p); err != nil {
		return err
	}
	return u.create(t)
}

// update gives a stored message, or a tombstone, the record's version.
func (u *replicaUpdate) update(t tables, p place) error {
	v, request := u.record.Version, u.record.Request
	switch {
	case !v.Supersedes(p.Version):
		return nil
	case v.Deleted && !p.Deleted:
		m, err := t.message(p)
		if err != nil || !u.deletes(request, m) {
			return err
		}
	case request == nil && !u.sameSwarm:
		return nil
	case request == nil && v.Expiration <= p.Expiration: // only the owner may shorten it
		v.Expiration, request = p.Expiration, bytes.Clone(requestIn(t.requests, p.refs.version))
	}
	return t.change(u.Name, p, v, request)
}

func (u *replicaUpdate) deletes(request []byte, m Message) bool {
	read, err := u.read(u.Name.Owner(), request)
	return err == nil && read.Deletes(m)
}

// edit is a change that a message's owner makes. It does nothing to a message that is not stored.
type edit struct {
	name   Name
	decide func(Version) (Version, bool) // the new version, and whether there is one; edit sets its Number
	at     int64                         // time of the change by this node's clock, in milliseconds

	request []byte // signed by the owner

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

// requeue queues messages for the peers. Each is sent in the version that it has when it is sent.
type requeue []Name

func (names requeue) size() int { return 0 }

func (names requeue) write(t tables) error {
	for _, name := range names {
		if err := t.enqueueAgain(name); err != nil {
			return err
		}
	}
	return nil
}

// maxEdits bounds the messages that one transaction changes.
const maxEdits = 500

// Edit gives messages the versions that decide returns, and returns the changed messages as they were before. decide
// returns false for no change; Edit sets the Number of the new version. at is the time of the change in milliseconds.
// request is the owner's signed request, which replicas verify. Edit returns when the changes are on disk. After an
// error only a leading part of messages may be changed.
func (s *Store) Edit(
	messages []Summary, at int64, request []byte, decide func(Summary, Version) (Version, bool),
) (changed []Summary, err error) {
	for part := range slices.Chunk(messages, maxEdits) {
		edits := make([]*edit, len(part))
		entries := make([]Entry, len(part))
		for i, h := range part {
			decideOne := func(v Version) (Version, bool) { return decide(h, v) }
			edits[i] = &edit{name: h.Name, at: at, request: request, decide: decideOne}
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

// Enqueue queues messages for all peers. Each is sent in the version that it has when it is sent. Peers that have that
// version already ignore it.
func (s *Store) Enqueue(names []Name) error {
	for part := range slices.Chunk(names, maxEdits) {
		if err := s.Write(requeue(part)); err != nil {
			return err
		}
	}
	return nil
}
