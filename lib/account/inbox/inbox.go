// Package inbox keeps what an account has received, within transactions of the keystore: events, which of them their
// reader has, the memory of messages that came before, and the positions in the lists of nodes.
package inbox

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
)

// The tables of this package.
const (
	TableEvents      keystore.Table = "inbox"       // sequence -> Event
	TableUndelivered keystore.Table = "undelivered" // sequence of an Event -> mark
	TableSeen        keystore.Table = "seen"        // ID -> seenEntry
	TableChains      keystore.Table = "chains"      // digest of sender and ratchet key -> chainEntry
	TableCursors     keystore.Table = "cursors"     // reader version and node -> last hash
	TableUnsends     keystore.Table = "unsends"     // author and timestamp -> time of expiry
)

// From returns at most limit events from a sequence number on, oldest first.
func From(tx *keystore.Tx, seq uint64, limit int) (events []Event, err error) {
	err = tx.Range(TableEvents, seq, func(seq uint64, value []byte) error {
		if len(events) == limit {
			return fs.SkipAll
		}
		event, err := decodeEvent(seq, value)
		events = append(events, event)
		return err
	})
	return events, err
}

// ID names a message: the first 32 hex digits of the SHA-256 of its store data. All copies of it have the same.
func ID(data string) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:16])
}

// Keep stores an event, sets its sequence number, and marks it as undelivered. Owner is the process that delivers it;
// empty means any.
func Keep(tx *keystore.Tx, event *Event, owner string) (err error) {
	value, err := encodeEvent(*event)
	if err != nil {
		return err
	}
	if event.Seq, err = tx.Append(TableEvents, value); err != nil {
		return err
	}
	return putMark(tx, event.Seq, mark{Owner: owner})
}

// Load returns the event with a sequence number.
func Load(tx *keystore.Tx, seq uint64) (Event, error) {
	value, found, err := tx.GetSeq(TableEvents, seq)
	if err != nil {
		return Event{}, err
	}
	if !found {
		return Event{}, fmt.Errorf("%w: inbox entry %d is gone", keystore.ErrCorrupt, seq)
	}
	return decodeEvent(seq, value)
}

// Find is [Load] for an event that may be gone.
func Find(tx *keystore.Tx, seq uint64) (event Event, found bool, err error) {
	value, found, err := tx.GetSeq(TableEvents, seq)
	if err != nil || !found {
		return Event{}, false, err
	}
	event, err = decodeEvent(seq, value)
	return event, true, err
}

// Remove deletes an event, if it is still there, and that its message was seen.
func Remove(tx *keystore.Tx, seq uint64) (removed Event, found bool, err error) {
	event, found, err := Find(tx, seq)
	if err != nil || !found {
		return Event{}, false, err
	}
	return event, true, errors.Join(
		tx.DeleteSeq(TableEvents, seq), tx.Delete(TableUndelivered, seqName(seq)), tx.Delete(TableSeen, event.ID))
}

// Size returns the size in bytes of a stored event.
func Size(tx *keystore.Tx, seq uint64) (int, error) {
	value, _, err := tx.GetSeq(TableEvents, seq)
	return len(value), err
}

// Newest returns the newest events, at most limit, oldest first.
func Newest(tx *keystore.Tx, limit int) (events []Event, err error) {
	err = tx.Tail(TableEvents, limit, func(seq uint64, value []byte) error {
		event, err := decodeEvent(seq, value)
		events = append(events, event)
		return err
	})
	return events, err
}

func seqName(seq uint64) string { return strconv.FormatUint(seq, 10) }

// maxHashSize is the length in bytes of the longest stored hash. Networks use at most 128 hex digits.
const maxHashSize = 256

// BoundedHash drops a hash that is too long. Nodes choose hashes, and an empty cursor means from the beginning.
func BoundedHash(hash string) string {
	if len(hash) > maxHashSize {
		return ""
	}
	return hash
}

// SetCursor stores the hash up to which a node's list was read.
func SetCursor(tx *keystore.Tx, node, hash string) error {
	return tables.Put(tx, TableCursors, cursorName(node), BoundedHash(hash))
}

// Cursor returns the cursor of this version in a node's list. Empty means from the beginning.
func Cursor(tx *keystore.Tx, node string) (hash string, err error) {
	_, err = tables.Get(tx, TableCursors, cursorName(node), &hash)
	return hash, err
}

// cursorName names the cursor of a node. The name has the reader version, so that a newer version reads from the
// beginning: messages that an older version refused are before the older cursor.
func cursorName(node string) string { return fmt.Sprintf("reader %d %s", ReaderVersion, node) }
