package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"sessiontool/lib/node/store/kv"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// content is a message as it is stored. A tombstone has only the name.
type content struct {
	Name    Name
	encoded []byte
	alias   []byte // Hash28 of a message of storage RPC 2.0, if it has one
}

func newContent(m Message) content {
	c := content{Name: NameOf(m), encoded: appendMessage(make([]byte, 0, m.size()), m)}
	if !m.Hash.Is28() {
		if hash, ok := parseHash28(m.Hash28()); ok {
			c.alias = hash[prefix28:]
		}
	}
	return c
}

func (c content) size() int { return len(c.encoded) }

// tables are the buckets of messages within one transaction.
type tables struct {
	messages, order, names, expiry, queue, requests, usage *kv.Bucket

	queueing bool         // there are peers to queue changes for
	quotas   *quotas      // nil for none
	counts   *usageCounts // nil: usage is written at once
}

func openTables(tx *kv.Tx, queueing bool) tables {
	return tables{
		messages: tx.Bucket(messageBucket), order: tx.Bucket(orderBucket), names: tx.Bucket(nameBucket),
		expiry: tx.Bucket(expiryBucket), queue: tx.Bucket(queueBucket), requests: tx.Bucket(requestBucket),
		usage:    tx.Bucket(usageBucket),
		queueing: queueing,
	}
}

// place is where a message is stored: its sequence number, its version, and the owner's requests that it comes from.
type place struct {
	sequence uint64
	Version
	refs references
}

// placeSize is the length of a value of nameBucket without references; with them it is longReferences more.
const (
	placeSize      = numberSize + VersionSize
	longReferences = 2 * sha256.Size
)

func (p place) encode() []byte {
	b := p.Version.AppendTo(appendNumber(make([]byte, 0, placeSize+longReferences), p.sequence))
	if p.refs == (references{}) {
		return b
	}
	return append(append(b, p.refs.version[:]...), p.refs.stored[:]...)
}

func parsePlace(b []byte) (p place, err error) {
	sequence, b, err := cutNumber(b)
	if err != nil {
		return place{}, err
	}
	v, b, err := CutVersion(b)
	if err != nil || len(b) != 0 && len(b) != longReferences {
		return place{}, errDamage
	}
	p = place{sequence: sequence, Version: v}
	copy(p.refs.stored[:], b[copy(p.refs.version[:], b):])
	return p, nil
}

// find looks up a message or tombstone.
func (t tables) find(name Name) (p place, known bool, err error) {
	value := t.names.Get(name[:])
	if value == nil {
		return place{}, false, nil
	}
	p, err = parsePlace(value)
	return p, true, err
}

// create stores a new message or tombstone and returns its sequence number. request is the owner's request that made
// the version, and stored the one that stored the message; each is nil if there is none.
func (t tables) create(c content, v Version, request, stored []byte) (uint64, error) {
	sequence, err := t.messages.NextSequence()
	if err != nil {
		return 0, err
	}
	p := place{sequence: sequence, Version: v}
	if p.refs.version, err = t.keepRequest(request, v.Expiration); err != nil {
		return 0, err
	}
	if p.refs.stored, err = t.keepRequest(stored, v.Expiration); err != nil {
		return 0, err
	}
	return sequence, t.put(c, p)
}

// put writes a message and its index entries, or the index entries of a tombstone.
func (t tables) put(c content, p place) error {
	if !p.Deleted {
		if err := t.use(c.Name, len(c.encoded)); err != nil {
			return err
		}
		if err := t.messages.Put(appendNumber(nil, p.sequence), c.encoded); err != nil {
			return err
		}
		if err := t.order.Put(orderKey(c.Name, p.sequence), orderValue(p.Expiration, c.alias)); err != nil {
			return err
		}
	}
	return t.point(c.Name, p)
}

// message returns a stored message that is not deleted.
func (t tables) message(p place) (Message, error) {
	m, rest, err := cutMessage(t.messages.Get(appendNumber(nil, p.sequence)))
	if err != nil || len(rest) > 0 {
		return Message{}, errors.Join(errDamage, err)
	}
	return m, nil
}

// point writes the index entries of a message: its name and its expiry.
func (t tables) point(name Name, p place) error {
	if err := t.names.Put(name[:], p.encode()); err != nil {
		return err
	}
	return t.expiry.Put(expiryKey(p.Expiration, p.sequence), name[:])
}

// change gives a stored message another version. request is the owner's request that made the version, nil if none did.
// change does not restore a deleted message.
func (t tables) change(name Name, p place, v Version, request []byte) error {
	id, err := t.keepRequest(request, v.Expiration)
	if err != nil {
		return err
	}
	refs := references{version: id, stored: p.refs.stored}
	if err := t.extendRequests(refs, v.Expiration); err != nil {
		return err
	}
	if err := t.expiry.Delete(expiryKey(p.Expiration, p.sequence)); err != nil {
		return err
	}
	key := orderKey(name, p.sequence)
	if v.Deleted && !p.Deleted {
		if err := t.release(name, len(t.messages.Get(appendNumber(nil, p.sequence)))); err != nil {
			return err
		}
		if err := t.messages.Delete(appendNumber(nil, p.sequence)); err != nil {
			return err
		}
		if err := t.order.Delete(key); err != nil {
			return err
		}
	} else if !v.Deleted {
		_, alias, err := parseOrderValue(t.order.Get(key))
		if err != nil {
			return err
		}
		if err := t.order.Put(key, orderValue(v.Expiration, alias)); err != nil {
			return err
		}
	}
	return t.point(name, place{p.sequence, v, refs})
}

// drop removes a message with its index entries.
func (t tables) drop(name Name, p place) error {
	sequence := appendNumber(nil, p.sequence)
	if !p.Deleted {
		if err := t.release(name, len(t.messages.Get(sequence))); err != nil {
			return err
		}
	}
	for _, gone := range []struct {
		bucket *kv.Bucket
		key    []byte
	}{
		{t.messages, sequence}, {t.order, orderKey(name, p.sequence)}, {t.names, name[:]},
		{t.expiry, expiryKey(p.Expiration, p.sequence)}, {t.queue, sequence},
	} {
		if err := gone.bucket.Delete(gone.key); err != nil {
			return err
		}
	}
	return nil
}

// enqueue queues a message for the peers.
func (t tables) enqueue(sequence uint64, name Name) error {
	if !t.queueing {
		return nil
	}
	return t.queue.Put(appendNumber(nil, sequence), name[:])
}

// enqueueAgain queues a message that has changed since it was stored.
func (t tables) enqueueAgain(name Name) error {
	sequence, err := t.messages.NextSequence()
	if err != nil {
		return err
	}
	return t.enqueue(sequence, name)
}

// orderKey is the key of a message in orderBucket: its box, then the order of arrival.
func orderKey(name Name, sequence uint64) []byte {
	return appendNumber(boxKey(name.Owner(), name.Namespace()), sequence)
}

// boxKey is the common prefix of the keys of a box, an owner's namespace, in orderBucket.
func boxKey(owner string, namespace rpc28.Namespace) []byte {
	key := append(make([]byte, 0, orderKeySize), owner...)
	return appendNamespace(key, namespace)
}

// orderKeySize is the length of keys of orderBucket.
const orderKeySize = storage.PubkeyTextLength + namespaceSize + numberSize

// orderValue is the value of a message in orderBucket: its expiration, and its alias if it has one.
func orderValue(expiration int64, alias []byte) []byte {
	return append(appendNumber(make([]byte, 0, numberSize+len(alias)), uint64(expiration)), alias...)
}

func parseOrderValue(b []byte) (expiration int64, alias []byte, err error) {
	number, alias, err := cutNumber(b)
	return int64(number), alias, err
}

func appendNumber(b []byte, number uint64) []byte { return binary.BigEndian.AppendUint64(b, number) }

// cutNumber decodes the number at the start of b.
func cutNumber(b []byte) (number uint64, rest []byte, err error) {
	if len(b) < numberSize {
		return 0, nil, errDamage
	}
	return binary.BigEndian.Uint64(b), b[numberSize:], nil
}

func expiryKey(expiration int64, sequence uint64) []byte {
	return appendNumber(appendNumber(make([]byte, 0, 2*numberSize), uint64(expiration)), sequence)
}
