package keystore

import (
	"bytes"
	"errors"
	"io/fs"
)

// All records of a keystore are in one tree. Their keys are:
//
//	account                                   the account's id and name
//	account, section                          last sequence number of an ordered section
//	account, section, sequence number         values of an ordered section
//	account, section, record                  names and values of a named section
//
// Account, section and record are labels of 16 bytes; a sequence number has 8, big-endian.

// maxKeySize is the length of the longest key in bytes.
const maxKeySize = 3 * len(label{})

// afterPrefix returns a key above all keys that begin with prefix.
func afterPrefix(prefix []byte) []byte {
	return append(bytes.Clone(prefix), bytes.Repeat([]byte{0xff}, maxKeySize)...)
}

// afterKey returns the smallest key above key.
func afterKey(key []byte) []byte { return append(bytes.Clone(key), 0) }

// section is the named or the ordered records of one table. Its methods take and return keys without the prefix.
type section struct {
	tx     *Tx
	table  Table
	prefix []byte // account, section
}

func (tx *Tx) section(kind string, table Table) section {
	label := tx.keys.label(kind, string(tx.id[:]), string(table))
	return section{tx: tx, table: table, prefix: append(tx.account[:], label[:]...)}
}

func (s section) fullKey(key []byte) []byte { return bytes.Join([][]byte{s.prefix, key}, nil) }

// usable returns an error if the transaction has ended or does not allow the change.
func (s section) usable(change bool) error {
	switch {
	case change && !s.tx.writable:
		return ErrReadOnly
	case s.tx.done:
		return ErrTxDone
	}
	return nil
}

func (s section) get(key []byte) (content []byte, found bool, err error) {
	if err := s.usable(false); err != nil {
		return nil, false, err
	}
	return s.tx.records.Get(s.fullKey(key))
}

func (s section) put(key, content []byte) error {
	if err := s.usable(true); err != nil {
		return err
	}
	return s.tx.records.Put(s.fullKey(key), content)
}

func (s section) delete(key []byte) error {
	if err := s.usable(true); err != nil {
		return err
	}
	return s.tx.records.Delete(s.fullKey(key))
}

// walk calls fn with each record from the first key at or after from on, in key order. It seeks again after each call,
// so fn may change the section.
func (s section) walk(from []byte, fn func(key, content []byte) error) error {
	for {
		key, content, err := s.next(from)
		if err != nil || key == nil {
			return err
		}
		if err := fn(key, content); errors.Is(err, fs.SkipAll) {
			return nil
		} else if err != nil {
			return err
		}
		from = afterKey(key)
	}
}

// next returns the first record at or after from. The key is nil if there is none.
func (s section) next(from []byte) (key, content []byte, err error) {
	if err := s.usable(false); err != nil {
		return nil, nil, err
	}
	fullKey, content, err := s.tx.records.Seek(s.fullKey(from))
	if err != nil || !bytes.HasPrefix(fullKey, s.prefix) {
		return nil, nil, err
	}
	return fullKey[len(s.prefix):], content, nil
}

// fromEnd returns the key of the n-th record from the end, or of the first record if there are fewer. It is nil if the
// section is empty.
func (s section) fromEnd(n int) (key []byte, err error) {
	if err := s.usable(false); err != nil {
		return nil, err
	}
	below := afterPrefix(s.prefix)
	for ; n > 0; n-- {
		fullKey, err := s.tx.records.Before(below)
		if err != nil || len(fullKey) <= len(s.prefix) || !bytes.HasPrefix(fullKey, s.prefix) {
			return key, err
		}
		key, below = fullKey[len(s.prefix):], fullKey
	}
	return key, nil
}
