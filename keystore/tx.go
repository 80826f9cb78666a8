package keystore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"go.etcd.io/bbolt"
)

// Table names a set of records of one account. Tables need not be made; an unknown one is empty. A table has named
// records, found by name, or ordered ones, found by sequence number; the two kinds do not see each other.
type Table string

// Tx is a transaction on one account. It is valid until the function that it was passed to returns, and for one
// goroutine. Values that it returns belong to the caller.
//
// All methods may return ErrCorrupt, and those that change something ErrReadOnly.
type Tx struct {
	db       *database
	keys     *keys
	account  *bbolt.Bucket
	id       accountID
	writable bool
	done     bool
}

// Format prints a placeholder whatever the verb is: some verbs would follow pointers to the keys.
func (tx *Tx) Format(f fmt.State, _ rune) { io.WriteString(f, "keystore.Tx(redacted)") }

// nameLengthSize is the size of a name's length, which is sealed with the name in front of each named value.
const nameLengthSize = 2

func (tx *Tx) run(fn func(*Tx) error) error {
	defer func() { tx.done = true }()
	return fn(tx)
}

// Get returns the record of that name, and whether there is one.
func (tx *Tx) Get(table Table, name string) (value []byte, found bool, err error) {
	named := tx.named(table)
	key := named.key(name)
	content, found, err := named.get(key[:])
	if err != nil || !found {
		return nil, false, err
	}
	stored, value, err := splitNamed(content)
	if err == nil && stored != name {
		err = fmt.Errorf("%w: record has another name", ErrCorrupt)
	}
	if err != nil {
		return nil, false, err
	}
	return value, true, nil
}

// Put stores a record under a name of up to MaxNameSize bytes, in place of any that is there. It returns ErrTooLarge
// if the name or the value is.
func (tx *Tx) Put(table Table, name string, value []byte) error {
	if len(name) > MaxNameSize {
		return fmt.Errorf("%w: name of %d bytes", ErrTooLarge, len(name))
	}
	if err := checkValue(value); err != nil {
		return err
	}
	named := tx.named(table)
	key := named.key(name)
	return named.put(key[:], joinNamed(name, value))
}

// Delete removes the record of that name, if there is one.
func (tx *Tx) Delete(table Table, name string) error {
	named := tx.named(table)
	key := named.key(name)
	return named.delete(key[:])
}

// ForEach calls fn with each named record of the table, in an order that says nothing, until fn returns an error. ForEach
// returns that error, or nil for fs.SkipAll. Fn may delete and replace records; it may or may not be shown new ones.
func (tx *Tx) ForEach(table Table, fn func(name string, value []byte) error) error {
	return tx.named(table).walk(nil, func(_, content []byte) error {
		name, value, err := splitNamed(content)
		if err != nil {
			return err
		}
		return fn(name, value)
	})
}

func checkValue(value []byte) error {
	if len(value) > MaxValueSize {
		return fmt.Errorf("%w: value of %d bytes", ErrTooLarge, len(value))
	}
	return nil
}

func joinNamed(name string, value []byte) []byte {
	content := make([]byte, 0, nameLengthSize+len(name)+len(value))
	content = binary.BigEndian.AppendUint16(content, uint16(len(name)))
	content = append(content, name...)
	return append(content, value...)
}

func splitNamed(content []byte) (name string, value []byte, err error) {
	if len(content) < nameLengthSize {
		return "", nil, fmt.Errorf("%w: record without a name", ErrCorrupt)
	}
	length, rest := int(binary.BigEndian.Uint16(content)), content[nameLengthSize:]
	if length > len(rest) {
		return "", nil, fmt.Errorf("%w: record with half a name", ErrCorrupt)
	}
	return string(rest[:length]), rest[length:], nil
}

// section is one table's named or ordered records: a bucket whose values are sealed. It does not exist until something
// is put there.
type section struct {
	tx    *Tx
	table Table
	label label
}

func (tx *Tx) named(table Table) section { return tx.section("named", table) }

func (tx *Tx) section(kind string, table Table) section {
	return section{tx: tx, table: table, label: tx.keys.label(kind, string(tx.id[:]), string(table))}
}

// key returns the bucket key of a named record.
func (s section) key(name string) label {
	return s.tx.keys.label("record", string(s.tx.id[:]), string(s.table), name)
}

// place is what is authenticated with the value at key: account, table and kind, key.
func (s section) place(key []byte) []byte {
	return bytes.Join([][]byte{s.tx.id[:], s.label[:], key}, nil)
}

// read calls fn with the section's bucket, if it exists.
func (s section) read(fn func(*bbolt.Bucket) error) error {
	if s.tx.done {
		return ErrTxDone
	}
	return s.tx.db.guard(func() error {
		bucket := s.tx.account.Bucket(s.label[:])
		if bucket == nil {
			return nil
		}
		return fn(bucket)
	})
}

// write calls fn with the section's bucket, which it creates if necessary.
func (s section) write(fn func(*bbolt.Bucket) error) error {
	if s.tx.done {
		return ErrTxDone
	}
	if !s.tx.writable {
		return ErrReadOnly
	}
	return s.tx.db.guard(func() error {
		bucket, err := s.tx.account.CreateBucketIfNotExists(s.label[:])
		if err != nil {
			return err
		}
		return fn(bucket)
	})
}

func (s section) get(key []byte) (content []byte, found bool, err error) {
	err = s.read(func(bucket *bbolt.Bucket) (err error) {
		sealed := bucket.Get(key)
		if found = sealed != nil; found {
			content, err = s.tx.keys.open(s.place(key), sealed)
		}
		return err
	})
	return content, found, err
}

func (s section) put(key, content []byte) error {
	return s.write(func(bucket *bbolt.Bucket) error {
		return bucket.Put(key, s.tx.keys.seal(s.place(key), content))
	})
}

func (s section) delete(key []byte) error {
	if !s.tx.writable {
		return ErrReadOnly
	}
	return s.read(func(bucket *bbolt.Bucket) error { return bucket.Delete(key) })
}

// walk calls fn with each record from the first key at or after from on, in the order of keys. It looks the place up again
// after each call, so fn may change the section.
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
		from = append(key, 0) // the least key after this one
	}
}

// next returns the first record whose key is at or after from. The key is nil if there is none.
func (s section) next(from []byte) (key, content []byte, err error) {
	err = s.read(func(bucket *bbolt.Bucket) (err error) {
		k, sealed := bucket.Cursor().Seek(from)
		if k != nil {
			key = bytes.Clone(k)
			content, err = s.tx.keys.open(s.place(key), sealed)
		}
		return err
	})
	return key, content, err
}
