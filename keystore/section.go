package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"go.etcd.io/bbolt"
)

// All records of a keystore are in one bucket, so that a commit writes few pages. Their keys are:
//
//	"format", "wrap"                          the header, see header.go
//	account                                   the account's sealed id and name
//	account, section                          an ordered section's sealed last sequence number
//	account, section, sequence number         its sealed values
//	account, section, record                  a named section's sealed names and values
//
// Account, section and record are labels of 16 bytes; a sequence number has 8, big-endian.

// maxKeySize is the length of the longest key.
const maxKeySize = 3 * len(label{})

// afterPrefix returns a key that is above all keys that begin with prefix.
func afterPrefix(prefix []byte) []byte {
	return append(bytes.Clone(prefix), bytes.Repeat([]byte{0xff}, maxKeySize)...)
}

// afterKey returns the least key above key.
func afterKey(key []byte) []byte { return append(bytes.Clone(key), 0) }

// seek returns the first record whose full key is at or after from; the key is nil if there is none. Loops that go on
// from there end also in a damaged file, because a key that is out of order is ErrCorrupt.
func seek(records *bbolt.Bucket, from []byte) (fullKey, sealed []byte, err error) {
	fullKey, sealed = records.Cursor().Seek(from)
	if fullKey != nil && bytes.Compare(fullKey, from) < 0 {
		return nil, nil, fmt.Errorf("%w: keys are out of order", ErrCorrupt)
	}
	return fullKey, sealed, nil
}

// section is one table's named or ordered records. Its methods take and return the last part of keys.
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

// place is what is authenticated with a value: the account's id and the full key.
func (s section) place(fullKey []byte) []byte { return append(s.tx.id[:], fullKey...) }

// read calls fn with the bucket of all records.
func (s section) read(fn func(records *bbolt.Bucket) error) error {
	if s.tx.done {
		return ErrTxDone
	}
	return s.tx.db.guard(func() error { return fn(s.tx.records) })
}

// write is read for a function that changes something.
func (s section) write(fn func(records *bbolt.Bucket) error) error {
	if !s.tx.writable {
		return ErrReadOnly
	}
	return s.read(fn)
}

func (s section) get(key []byte) (content []byte, found bool, err error) {
	err = s.read(func(records *bbolt.Bucket) (err error) {
		fullKey := s.fullKey(key)
		sealed := records.Get(fullKey)
		if found = sealed != nil; found {
			content, err = s.tx.keys.open(s.place(fullKey), sealed)
		}
		return err
	})
	return content, found, err
}

func (s section) put(key, content []byte) error {
	return s.write(func(records *bbolt.Bucket) error {
		fullKey := s.fullKey(key)
		return records.Put(fullKey, s.tx.keys.seal(s.place(fullKey), content))
	})
}

func (s section) delete(key []byte) error {
	return s.write(func(records *bbolt.Bucket) error { return records.Delete(s.fullKey(key)) })
}

// walk calls fn with each record from the first key at or after from on, in the order of keys. It looks the place up
// again after each call, so fn may change the section.
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

// next returns the first record whose key is at or after from. The key is nil if there is none.
func (s section) next(from []byte) (key, content []byte, err error) {
	err = s.read(func(records *bbolt.Bucket) (err error) {
		fullKey, sealed, err := seek(records, s.fullKey(from))
		if err != nil || !bytes.HasPrefix(fullKey, s.prefix) {
			return err
		}
		key = bytes.Clone(fullKey[len(s.prefix):])
		content, err = s.tx.keys.open(s.place(fullKey), sealed)
		return err
	})
	return key, content, err
}

// fromEnd returns the key of the n-th record from the end, or the first one if there are fewer. It is nil if there is
// none.
func (s section) fromEnd(n int) (key []byte, err error) {
	err = s.read(func(records *bbolt.Bucket) error {
		cursor := records.Cursor()
		fullKey, _ := cursor.Seek(afterPrefix(s.prefix))
		if fullKey == nil {
			fullKey, _ = cursor.Last()
		} else {
			fullKey, _ = cursor.Prev()
		}
		for ; n > 0 && len(fullKey) > len(s.prefix) && bytes.HasPrefix(fullKey, s.prefix); n-- {
			key = bytes.Clone(fullKey[len(s.prefix):])
			fullKey, _ = cursor.Prev()
		}
		return nil
	})
	return key, err
}
