package node

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"
)

// Bounds of what is committed at once. An fsync costs the same for one message as for many.
const (
	maxGroup      = 256
	maxGroupBytes = 4 << 20
)

// commitLoop is the one writer of new messages. While a transaction is on its way to the disk, requests pile up
// behind it and form the next one.
func (s *store) commitLoop() {
	defer close(s.ended)
	for {
		select {
		case first := <-s.inserts:
			s.commit(s.gather(first))
		case <-s.quit:
			return
		}
	}
}

// gather adds to first whatever else is waiting, without waiting for more.
func (s *store) gather(first insertion) []insertion {
	group, size := []insertion{first}, first.size()
	for len(group) < maxGroup && size < maxGroupBytes {
		select {
		case next := <-s.inserts:
			group, size = append(group, next), size+next.size()
		default:
			return group
		}
	}
	return group
}

func (i insertion) size() (size int) {
	for _, m := range i.messages {
		size += m.size()
	}
	return size
}

// commit writes a group in one transaction and then answers everybody in it. If the transaction fails, nobody's
// messages are kept.
func (s *store) commit(group []insertion) {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		if s.full(tx) {
			return errStoreFull
		}
		for _, insertion := range group {
			for _, m := range insertion.messages {
				if err := put(tx, m); err != nil {
					return fmt.Errorf("storing a message: %w", err)
				}
			}
		}
		return nil
	})
	for _, insertion := range group {
		insertion.result <- err
	}
}

// full reports whether the pages in use have reached the limit. The file never shrinks, so its size says less.
func (s *store) full(tx *bbolt.Tx) bool {
	free := int64(s.db.Stats().FreePageN) * int64(s.db.Info().PageSize)
	return tx.Size()-free >= s.maxBytes
}

// put adds one message and its index entries, unless it is there.
func put(tx *bbolt.Tx, m message) error {
	hashes, messages := tx.Bucket(hashBucket), tx.Bucket(messageBucket)
	name := hashKey(m.PubKey, m.hash)
	if hashes.Get(name) != nil {
		return nil
	}
	sequence, err := messages.NextSequence()
	if err != nil {
		return err
	}
	if err := messages.Put(messageKey(m.PubKey, sequence), appendMessage(nil, m)); err != nil {
		return err
	}
	if err := hashes.Put(name, binary.BigEndian.AppendUint64(nil, sequence)); err != nil {
		return err
	}
	return tx.Bucket(expiryBucket).Put(expiryKey(m.expiration(), sequence), name)
}
