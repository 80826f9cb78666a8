package keystore

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"
)

// Sequence numbers count from 1 in each ordered table and are never used twice, whatever is deleted. As bucket keys they
// are 8 bytes, big-endian.

func (tx *Tx) ordered(table Table) section { return tx.section("ordered", table) }

func sequenceKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// Append stores a record after all others of the table and returns its sequence number. It returns ErrTooLarge if the
// value is.
func (tx *Tx) Append(table Table, value []byte) (seq uint64, err error) {
	if err := checkValue(value); err != nil {
		return 0, err
	}
	ordered := tx.ordered(table)
	err = ordered.write(func(bucket *bbolt.Bucket) error {
		if seq, err = bucket.NextSequence(); err != nil {
			return err
		}
		key := sequenceKey(seq)
		if bucket.Get(key) != nil {
			return fmt.Errorf("%w: sequence number %d is taken", ErrCorrupt, seq)
		}
		return bucket.Put(key, tx.keys.seal(ordered.place(key), value))
	})
	return seq, err
}

// GetSeq returns the record with that sequence number, and whether there is one.
func (tx *Tx) GetSeq(table Table, seq uint64) (value []byte, found bool, err error) {
	return tx.ordered(table).get(sequenceKey(seq))
}

// PutSeq stores a record under a sequence number that Append has handed out, in place of any that is there. It returns
// ErrSequence for other numbers, and ErrTooLarge if the value is.
func (tx *Tx) PutSeq(table Table, seq uint64, value []byte) error {
	if err := checkValue(value); err != nil {
		return err
	}
	ordered := tx.ordered(table)
	return ordered.write(func(bucket *bbolt.Bucket) error {
		if seq == 0 || seq > bucket.Sequence() {
			return fmt.Errorf("%w: %d", ErrSequence, seq)
		}
		key := sequenceKey(seq)
		return bucket.Put(key, tx.keys.seal(ordered.place(key), value))
	})
}

// DeleteSeq removes the record with that sequence number, if there is one.
func (tx *Tx) DeleteSeq(table Table, seq uint64) error {
	return tx.ordered(table).delete(sequenceKey(seq))
}

// Range calls fn with each ordered record of the table from sequence number from on, oldest first, until fn returns an
// error. Range returns that error, or nil for fs.SkipAll. Fn may change the table; it is shown records that it appends.
func (tx *Tx) Range(table Table, from uint64, fn func(seq uint64, value []byte) error) error {
	return tx.ordered(table).walk(sequenceKey(from), func(key, value []byte) error {
		return fn(binary.BigEndian.Uint64(key), value)
	})
}

// Tail is Range for the last n records, oldest first. N below 1 means none.
func (tx *Tx) Tail(table Table, n int, fn func(seq uint64, value []byte) error) error {
	if n < 1 {
		return nil
	}
	var from uint64
	err := tx.ordered(table).read(func(bucket *bbolt.Bucket) error {
		cursor := bucket.Cursor()
		for key, _ := cursor.Last(); key != nil && n > 0; key, _ = cursor.Prev() {
			if len(key) != len(sequenceKey(0)) {
				return fmt.Errorf("%w: sequence number of %d bytes", ErrCorrupt, len(key))
			}
			from = binary.BigEndian.Uint64(key)
			n--
		}
		return nil
	})
	if err != nil {
		return err
	}
	return tx.Range(table, from, fn)
}
