package store

import (
	"bytes"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"sessiontool/lib/storage/rpc28"
)

// Open converts a database of format 2, which had no namespaces, to the present format. In format 2
// messageBucket has an expiration before each message, messages have no namespace, and queueBucket has no names. The
// conversion moves the old buckets aside and copies their messages into new buckets batch by batch. After an
// interruption it continues at the next start.

// oldFormat is the format that [Open] converts.
const oldFormat = 2

// oldBucket holds the messageBucket and queueBucket of the old format until all messages have been taken from them.
var oldBucket = []byte("format 2")

// One transaction converts at most migrateBatch messages and about migrateBytes bytes.
const (
	migrateBatch = 1000
	migrateBytes = 16 << 20
)

// migrate converts a database of format 2, or one whose conversion was interrupted, to the present format.
func migrate(db *bbolt.DB) error {
	pending := false
	err := db.View(func(tx *bbolt.Tx) error {
		pending = isOld(tx) || tx.Bucket(oldBucket) != nil
		return nil
	})
	if err != nil || !pending {
		return err
	}
	if err := db.Update(setAside); err != nil {
		return fmt.Errorf("converting the message store: %w", err)
	}
	for more := true; more; {
		err := db.Update(func(tx *bbolt.Tx) (err error) {
			more, err = takeOver(tx)
			return err
		})
		if err != nil {
			return fmt.Errorf("converting the message store: %w", err)
		}
	}
	return nil
}

// isOld reports whether a database is of format 2.
func isOld(tx *bbolt.Tx) bool {
	meta := tx.Bucket(metaBucket)
	return meta != nil && bytes.Equal(meta.Get(formatKey), []byte{oldFormat})
}

// setAside moves the buckets to convert aside and creates new ones in their place.
func setAside(tx *bbolt.Tx) error {
	if !isOld(tx) {
		return nil
	}
	sequence := tx.Bucket(messageBucket).Sequence()
	old, err := tx.CreateBucket(oldBucket)
	if err != nil {
		return err
	}
	for _, name := range [][]byte{messageBucket, queueBucket} {
		if err := tx.MoveBucket(name, nil, old); err != nil {
			return err
		}
	}
	for _, name := range [][]byte{orderBucket, nameBucket, expiryBucket} {
		if err := tx.DeleteBucket(name); err != nil {
			return err
		}
	}
	for _, name := range [][]byte{messageBucket, queueBucket, orderBucket, nameBucket, expiryBucket} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return errors.Join(
		tx.Bucket(messageBucket).SetSequence(sequence), tx.Bucket(metaBucket).Put(formatKey, []byte{storeFormat}),
	)
}

// takeOver converts one batch of the messages that were set aside. They keep their sequence numbers. It reports whether
// more are left.
func takeOver(tx *bbolt.Tx) (more bool, err error) {
	old := tx.Bucket(oldBucket)
	if old == nil {
		return false, nil
	}
	messages, queue, t := old.Bucket(messageBucket), old.Bucket(queueBucket), openTables(tx, true)
	var done [][]byte
	size := 0
	cursor := messages.Cursor()
	key, value := cursor.First()
	for ; key != nil && len(done) < migrateBatch && size < migrateBytes; key, value = cursor.Next() {
		sequence, _, err := cutNumber(key)
		if err != nil {
			return false, err
		}
		m, err := oldMessage(value)
		if err != nil {
			return false, err
		}
		c := newContent(m)
		if err := t.put(c, place{sequence: sequence, Version: Version{Expiration: m.ExpirationMillis()}}); err != nil {
			return false, err
		}
		if queue.Get(key) != nil {
			if err := t.enqueue(sequence, c.Name); err != nil {
				return false, err
			}
		}
		done, size = append(done, bytes.Clone(key)), size+len(value)
	}
	if key == nil {
		return false, tx.DeleteBucket(oldBucket)
	}
	for _, key := range done {
		if err := messages.Delete(key); err != nil {
			return false, err
		}
	}
	return true, nil
}

// oldMessage decodes a value of the old messageBucket: an expiration, and a message without a namespace.
func oldMessage(value []byte) (Message, error) {
	_, encoded, err := cutNumber(value)
	if err != nil || len(encoded) < len(MessageHash{}) {
		return Message{}, errors.Join(errDamage, err)
	}
	hash, texts := encoded[:len(MessageHash{})], encoded[len(MessageHash{}):]
	m, rest, err := cutMessage(append(appendNamespace(bytes.Clone(hash), rpc28.NamespaceMessages), texts...))
	if err != nil || len(rest) > 0 {
		return Message{}, errors.Join(errDamage, err)
	}
	return m, nil
}
