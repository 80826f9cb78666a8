package keystore

import (
	"encoding/binary"
	"fmt"
	"io"

	"sessiontool/keystore/internal/tree"
)

// Table names a set of records of one account. An unknown table is empty; a table needs no creation. A table has named
// records, found by name, and ordered records, found by sequence number. The two kinds are independent.
type Table string

// Tx is a transaction on one account. It is valid until the function that received it returns, and for one goroutine.
// The caller owns the values that it returns.
//
// All methods may return [ErrCorrupt] and [ErrTxDone]; methods that change something may return [ErrReadOnly].
type Tx struct {
	keys     *keys
	records  *tree.Tx
	account  label
	id       accountID
	writable bool
	done     bool
}

// Format prints a placeholder for every verb: some verbs would follow pointers to the keys.
func (tx *Tx) Format(f fmt.State, _ rune) { io.WriteString(f, "keystore.Tx(redacted)") }

// nameLengthSize is the size of the length in front of the name in a named value.
const nameLengthSize = 2

func (tx *Tx) run(fn func(*Tx) error) error {
	defer func() { tx.done = true }()
	return fn(tx)
}

// named is the named section of a table.
type named struct{ section }

func (tx *Tx) named(table Table) named { return named{tx.section("named", table)} }

func (n named) key(name string) []byte {
	label := n.tx.keys.label("record", string(n.tx.id[:]), string(n.table), name)
	return label[:]
}

// Get returns the record of that name, and whether it exists.
func (tx *Tx) Get(table Table, name string) (value []byte, found bool, err error) {
	named := tx.named(table)
	content, found, err := named.get(named.key(name))
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

// Put stores or replaces a record under a name of up to [MaxNameSize] bytes. It returns [ErrTooLarge] if the name or
// the value is too large.
func (tx *Tx) Put(table Table, name string, value []byte) error {
	if len(name) > MaxNameSize {
		return fmt.Errorf("%w: name of %d bytes", ErrTooLarge, len(name))
	}
	if err := checkValue(value); err != nil {
		return err
	}
	named := tx.named(table)
	return named.put(named.key(name), joinNamed(name, value))
}

// Delete removes the record of that name, if it exists.
func (tx *Tx) Delete(table Table, name string) error {
	named := tx.named(table)
	return named.delete(named.key(name))
}

// ForEach calls fn with each named record of the table, in no particular order, until fn returns an error. ForEach
// returns that error, or nil for [fs.SkipAll]. Fn may delete and replace records. Whether it gets the records that it
// adds is undefined.
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
		return "", nil, fmt.Errorf("%w: record with a truncated name", ErrCorrupt)
	}
	return string(rest[:length]), rest[length:], nil
}
