package node

// entry is something that the committer writes, prepared where requests run side by side.
type entry interface {
	// write makes the change. What fails makes the whole transaction fail.
	write(t tables) error
	// size is about how much the database grows by, in bytes.
	size() int
}

// deposit is a message that a client stores. If it is there already it is kept until the later of both times, and if it
// was deleted it is there again.
type deposit struct {
	content
	expiration int64
	queued     bool // the peers have to get it

	already bool  // set by write: it was there
	until   int64 // set by write: when it expires now
}

func newDeposit(m message, queued bool) *deposit {
	return &deposit{content: newContent(m), expiration: m.expiration(), queued: queued}
}

func (d *deposit) write(t tables) error {
	t.queueing = t.queueing && d.queued
	p, known, err := t.find(d.name)
	if err != nil {
		return err
	}
	d.already, d.until = known && !p.deleted, d.expiration
	fresh := life{expiration: d.expiration}
	switch {
	case d.already && p.expiration >= d.expiration:
		d.until = p.expiration
		return nil
	case d.already:
		if err := t.change(d.name, p, life{version: p.version, expiration: d.expiration}); err != nil {
			return err
		}
		return t.enqueueAgain(d.name)
	case known:
		if err := t.drop(d.name, p); err != nil {
			return err
		}
		fresh.version = p.version + 1
	}
	sequence, err := t.create(d.content, fresh)
	if err != nil {
		return err
	}
	return t.enqueue(sequence, d.name)
}

// news is a record that another node has given. Of what is known here already only a node of the same swarm, a fellow,
// can change the life.
type news struct {
	content
	life   life
	fellow bool
}

func newNews(r record, fellow bool) *news {
	n := &news{content: content{name: r.name}, life: r.life, fellow: fellow}
	if !r.life.deleted {
		n.content = newContent(r.message)
	}
	return n
}

func (n *news) write(t tables) error {
	p, known, err := t.find(n.name)
	switch {
	case err != nil:
		return err
	case known && (!n.fellow || !n.life.overrides(p.life)):
		return nil
	case known && p.deleted && !n.life.deleted:
		if err := t.drop(n.name, p); err != nil {
			return err
		}
	case known:
		return t.change(n.name, p, n.life)
	}
	_, err = t.create(n.content, n.life)
	return err
}

// edit is a change that a message's owner makes to it. It does nothing to a message that is not there.
type edit struct {
	name   messageName
	decide func(life) (life, bool) // what becomes of it, unless nothing does; the version is the one that edit sets
	at     int64                   // the time of the change, by the clock of the node that was asked

	done bool // set by write: there was something to change
}

func (e *edit) size() int { return 0 }

func (e *edit) write(t tables) error {
	e.done = false
	p, known, err := t.find(e.name)
	if err != nil || !known || p.deleted {
		return err
	}
	after, changed := e.decide(p.life)
	if !changed {
		return nil
	}
	e.done = true
	after.version = p.next(e.at)
	return t.change(e.name, p, after)
}

// line puts messages into the line for the peers, as they will be when their turn comes.
type line []messageName

func (l line) size() int { return 0 }

func (l line) write(t tables) error {
	for _, name := range l {
		if err := t.enqueueAgain(name); err != nil {
			return err
		}
	}
	return nil
}
