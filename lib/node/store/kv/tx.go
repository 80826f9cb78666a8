package kv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Tx is a transaction: a snapshot of the map, with the changes that the transaction has made. It is for one goroutine.
// A failed read returns nothing, and makes [DB.View] or [DB.Update] fail.
type Tx struct {
	db       *DB
	state    *state
	active   *entry
	writable bool
	owner    *owner
	changes  []byte
	counters []counter // sequence numbers that the transaction has changed
	err      error     // the first one
}

// counter is the sequence number of a bucket.
type counter struct {
	bucket byte
	number uint64
}

// Errors of transactions: bugs of the caller.
var (
	errReadOnly = errors.New("transaction is read-only")
	errKey      = errors.New("key is empty or too long")
)

// fail keeps the first error.
func (tx *Tx) fail(err error) {
	if tx.err == nil {
		tx.err = err
	}
}

// result returns the error of the transaction, given that of the caller.
func (tx *Tx) result(err error) error {
	if tx.err != nil && !errors.Is(err, tx.err) {
		return errors.Join(tx.err, err)
	}
	return err
}

// Bucket is one of 256 maps in a database.
type Bucket struct {
	tx     *Tx
	prefix byte
}

// sequences is the bucket of the sequence numbers of the others.
const sequences = 0

// Bucket returns the map with a number, which must not be 0.
func (tx *Tx) Bucket(number byte) *Bucket { return &Bucket{tx, number} }

func (b *Bucket) full(key []byte) []byte {
	return append(append(make([]byte, 0, 1+len(key)), b.prefix), key...)
}

// Get returns the value of a key, or nil if it does not exist. Existing values are never nil.
func (b *Bucket) Get(key []byte) []byte {
	full, tx := b.full(key), b.tx
	if tx.err != nil {
		return nil
	}
	for _, table := range []*entry{tx.active, tx.state.frozen} {
		if e := table.find(full); e != nil {
			if e.deleted {
				return nil
			}
			return e.value
		}
	}
	value, found, err := tx.db.tree.find(tx.state.root, full)
	switch {
	case err != nil:
		tx.fail(err)
	case found:
		return value
	}
	return nil
}

// Put sets the value of a key.
func (b *Bucket) Put(key, value []byte) error {
	both := append(append(make([]byte, 0, 1+len(key)+len(value)), b.prefix), key...)
	both = append(both, value...)
	end := 1 + len(key)
	return b.tx.change(both[:end:end], both[end:], false)
}

// Delete removes a key, if it exists.
func (b *Bucket) Delete(key []byte) error { return b.tx.change(b.full(key), nil, true) }

// Kinds of changes in a record of a log.
const (
	changePut    = 1
	changeDelete = 2
)

func (tx *Tx) change(key, value []byte, deleted bool) error {
	switch {
	case !tx.writable:
		return errReadOnly
	case len(key) < 2 || len(key) > maxKeySize || len(value) > maxNodeSize/2:
		return errKey
	case tx.err != nil:
		return tx.err
	}
	kind := byte(changePut)
	if deleted {
		kind = changeDelete
	}
	b := append(tx.changes, kind)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(key))), key...)
	tx.changes = append(binary.BigEndian.AppendUint32(b, uint32(len(value))), value...)
	tx.active = tx.active.put(tx.owner, key, value, deleted)
	return nil
}

// eachChange calls apply with the changes of a record of a log. What apply gets points into changes.
func eachChange(changes []byte, apply func(key, value []byte, deleted bool)) error {
	malformed := fmt.Errorf("%w: a record of a log is malformed", ErrDamaged)
	for b := changes; len(b) > 0; {
		if len(b) < 3 || b[0] != changePut && b[0] != changeDelete {
			return malformed
		}
		deleted, keyLength := b[0] == changeDelete, int(binary.BigEndian.Uint16(b[1:]))
		if b = b[3:]; keyLength < 2 || keyLength > maxKeySize || len(b) < keyLength+4 {
			return malformed
		}
		key, length := b[:keyLength:keyLength], binary.BigEndian.Uint32(b[keyLength:])
		if b = b[keyLength+4:]; int64(length) > int64(len(b)) {
			return malformed
		}
		apply(key, b[:length:length], deleted)
		b = b[length:]
	}
	return nil
}

// Sequence returns the last number that NextSequence returned, 0 at first.
func (b *Bucket) Sequence() uint64 {
	for _, c := range b.tx.counters {
		if c.bucket == b.prefix {
			return c.number
		}
	}
	value := b.tx.Bucket(sequences).Get([]byte{b.prefix})
	if len(value) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(value)
}

// SetSequence sets the number that Sequence returns.
func (b *Bucket) SetSequence(number uint64) error {
	if !b.tx.writable {
		return errReadOnly
	}
	for i := range b.tx.counters {
		if c := &b.tx.counters[i]; c.bucket == b.prefix {
			c.number = number
			return b.tx.err
		}
	}
	b.tx.counters = append(b.tx.counters, counter{b.prefix, number})
	return b.tx.err
}

// writeCounters writes the changed sequence numbers, each once for all that the transaction drew.
func (tx *Tx) writeCounters() error {
	for _, c := range tx.counters {
		if err := tx.Bucket(sequences).Put([]byte{c.bucket}, binary.BigEndian.AppendUint64(nil, c.number)); err != nil {
			return err
		}
	}
	return nil
}

// NextSequence returns the next number.
func (b *Bucket) NextSequence() (uint64, error) {
	number := b.Sequence() + 1
	return number, b.SetSequence(number)
}

// Cursor walks a bucket in key order. It sees the bucket as it was when the walk began.
type Cursor struct {
	bucket *Bucket
	tables [2]tableCursor
	tree   treeCursor
}

// Cursor returns a cursor. Call First or Seek before Next.
func (b *Bucket) Cursor() *Cursor { return &Cursor{bucket: b} }

// First moves to the first key. The key is nil if there is none.
func (c *Cursor) First() (key, value []byte) { return c.Seek(nil) }

// Seek moves to the first key at or above the given one. The key is nil if there is none.
func (c *Cursor) Seek(key []byte) (found, value []byte) {
	tx, full := c.bucket.tx, c.bucket.full(key)
	c.tables[0].seek(tx.active, full)
	c.tables[1].seek(tx.state.frozen, full)
	c.tree = treeCursor{tree: tx.db.tree, root: tx.state.root, path: c.tree.path}
	if err := c.tree.seek(full); err != nil {
		tx.fail(err)
	}
	return c.settle()
}

// Next moves to the next key. The key is nil if there is none.
func (c *Cursor) Next() (key, value []byte) {
	at, _, ok := c.current()
	if !ok {
		return nil, nil
	}
	c.skip(at)
	return c.settle()
}

// settle moves to the first key that is not deleted, and returns it.
func (c *Cursor) settle() (key, value []byte) {
	for {
		at, e, ok := c.current()
		switch {
		case !ok:
			return nil, nil
		case e == nil:
			it, _ := c.tree.current()
			return at[1:], it.value
		case !e.deleted:
			return at[1:], e.value
		}
		c.skip(at)
	}
}

// current returns the least key, and its entry if it is in a table. It returns false at the end of the bucket, and
// after an error.
func (c *Cursor) current() (key []byte, found *entry, ok bool) {
	for i := range c.tables {
		if e := c.tables[i].current(); e != nil && (key == nil || bytes.Compare(e.key, key) < 0) {
			key, found = e.key, e
		}
	}
	if it, ok := c.tree.current(); ok && (key == nil || bytes.Compare(it.key, key) < 0) {
		key, found = it.key, nil
	}
	return key, found, key != nil && key[0] == c.bucket.prefix && c.bucket.tx.err == nil
}

// skip moves behind key.
func (c *Cursor) skip(key []byte) {
	for i := range c.tables {
		if e := c.tables[i].current(); e != nil && bytes.Equal(e.key, key) {
			c.tables[i].next()
		}
	}
	if it, ok := c.tree.current(); ok && bytes.Equal(it.key, key) {
		if err := c.tree.next(); err != nil {
			c.bucket.tx.fail(err)
		}
	}
}

// Count returns the number of keys. It walks the bucket.
func (b *Bucket) Count() (count int) {
	cursor := b.Cursor()
	for key, _ := cursor.First(); key != nil; key, _ = cursor.Next() {
		count++
	}
	return count
}
