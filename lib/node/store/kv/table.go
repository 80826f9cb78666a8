package kv

import (
	"bytes"
	"math/rand/v2"
)

// owner identifies a transaction.
type owner struct{ _ byte }

// entry is a node of a table: a treap, which is a binary search tree by key and a heap by priority. A published entry
// is never changed, so that every root is a snapshot. The owner of an entry is the transaction that made it and may
// still change it.
type entry struct {
	key, value  []byte
	deleted     bool
	priority    uint32
	left, right *entry
	owner       *owner
}

// own returns the entry, or a copy of it, for changes.
func (e *entry) own(by *owner) *entry {
	if e.owner == by {
		return e
	}
	made := *e
	made.owner = by
	return &made
}

// put returns the table with an entry for key. A deleted one hides what is stored below the table.
func (e *entry) put(by *owner, key, value []byte, deleted bool) *entry {
	if e == nil {
		return &entry{key: key, value: value, deleted: deleted, priority: rand.Uint32(), owner: by}
	}
	e = e.own(by)
	switch order := bytes.Compare(key, e.key); {
	case order == 0:
		e.value, e.deleted = value, deleted
	case order < 0:
		e.left = e.left.put(by, key, value, deleted)
		if top := e.left; top.priority > e.priority {
			e.left, top.right = top.right, e
			return top
		}
	default:
		e.right = e.right.put(by, key, value, deleted)
		if top := e.right; top.priority > e.priority {
			e.right, top.left = top.left, e
			return top
		}
	}
	return e
}

// find returns the entry with that key, or nil.
func (e *entry) find(key []byte) *entry {
	for e != nil {
		switch order := bytes.Compare(key, e.key); {
		case order == 0:
			return e
		case order < 0:
			e = e.left
		default:
			e = e.right
		}
	}
	return nil
}

// tableCursor walks a table in key order. The last entry of path is the present one.
type tableCursor struct{ path []*entry }

// seek moves to the first entry at or above key.
func (c *tableCursor) seek(root *entry, key []byte) {
	c.path = c.path[:0]
	for e := root; e != nil; {
		if bytes.Compare(e.key, key) >= 0 {
			c.path = append(c.path, e)
			e = e.left
		} else {
			e = e.right
		}
	}
}

func (c *tableCursor) current() *entry {
	if len(c.path) == 0 {
		return nil
	}
	return c.path[len(c.path)-1]
}

func (c *tableCursor) next() {
	last := len(c.path) - 1
	e := c.path[last].right
	for c.path = c.path[:last]; e != nil; e = e.left {
		c.path = append(c.path, e)
	}
}

// appendTo appends all entries in key order.
func (e *entry) appendTo(changes []*entry) []*entry {
	if e == nil {
		return changes
	}
	return e.right.appendTo(append(e.left.appendTo(changes), e))
}
