package keystore

import (
	"encoding/binary"
	"fmt"
)

// ordered is the ordered section of a table. Sequence numbers count from 1 and are never reused: the empty key stores
// the last one.
type ordered struct{ section }

func (tx *Tx) ordered(table Table) ordered { return ordered{tx.section("ordered", table)} }

// lastKey sorts before all sequence keys.
var lastKey []byte

func sequenceKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// last returns the last sequence number that Append returned, or 0.
func (o ordered) last() (uint64, error) {
	content, found, err := o.get(lastKey)
	if err != nil || !found {
		return 0, err
	}
	if len(content) != len(sequenceKey(0)) {
		return 0, fmt.Errorf("%w: sequence number of %d bytes", ErrCorrupt, len(content))
	}
	return binary.BigEndian.Uint64(content), nil
}

// Append stores a record after all others of the table and returns its sequence number, which counts from 1. It returns
// [ErrTooLarge] if the value is above [MaxValueSize].
func (tx *Tx) Append(table Table, value []byte) (seq uint64, err error) {
	if err := checkValue(value); err != nil {
		return 0, err
	}
	ordered := tx.ordered(table)
	last, err := ordered.last()
	if err != nil {
		return 0, err
	}
	seq = last + 1
	if err := ordered.put(lastKey, sequenceKey(seq)); err != nil {
		return 0, err
	}
	return seq, ordered.put(sequenceKey(seq), value)
}

// GetSeq returns the record with that sequence number, and whether it exists.
func (tx *Tx) GetSeq(table Table, seq uint64) (value []byte, found bool, err error) {
	return tx.ordered(table).get(sequenceKey(seq))
}

// PutSeq stores or replaces the record under a sequence number that [Tx.Append] has returned. It returns [ErrSequence]
// for other numbers, and [ErrTooLarge] if the value is above [MaxValueSize].
func (tx *Tx) PutSeq(table Table, seq uint64, value []byte) error {
	if err := checkValue(value); err != nil {
		return err
	}
	if !tx.writable {
		return ErrReadOnly
	}
	ordered := tx.ordered(table)
	last, err := ordered.last()
	if err != nil {
		return err
	}
	if seq < 1 || seq > last {
		return fmt.Errorf("%w: %d", ErrSequence, seq)
	}
	return ordered.put(sequenceKey(seq), value)
}

// DeleteSeq removes the record with that sequence number, if it exists.
func (tx *Tx) DeleteSeq(table Table, seq uint64) error {
	return tx.ordered(table).delete(sequenceKey(seq))
}

// Range calls fn with each ordered record from sequence number from on, oldest first, until fn returns an error. Range
// returns that error, or nil for [fs.SkipAll]. Fn may change the table, and also gets the records that it appends.
func (tx *Tx) Range(table Table, from uint64, fn func(seq uint64, value []byte) error) error {
	return tx.ordered(table).each(sequenceKey(from), fn)
}

// Tail is [Tx.Range] for the last n records, oldest first. N below 1 means none.
func (tx *Tx) Tail(table Table, n int, fn func(seq uint64, value []byte) error) error {
	ordered := tx.ordered(table)
	from, err := ordered.fromEnd(n)
	if err != nil || from == nil {
		return err
	}
	return ordered.each(from, fn)
}

func (o ordered) each(from []byte, fn func(seq uint64, value []byte) error) error {
	return o.walk(from, func(key, value []byte) error { return fn(binary.BigEndian.Uint64(key), value) })
}
