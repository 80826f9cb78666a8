// Package addressbook keeps what the user says about Session IDs, within transactions of the keystore: the names that
// the user gives them, which of them are blocked, and whose request was declined. Nothing in it comes from a message.
//
// An ID has at most one name, and a name belongs to at most one ID. A message finds the entry of its sender by one
// lookup, and a name its ID by another one, however many entries there are.
package addressbook

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/sessionid"
)

// Table has an entry for each ID, and the ID for each name.
const Table keystore.Table = "addressbook"

const (
	entryPrefix = "id "   // followed by a Session ID
	namePrefix  = "name " // followed by a name as Fold writes it
)

// Errors of this package.
var (
	ErrTaken   = errors.New("the name belongs to another contact")
	ErrUnknown = errors.New("no contact has that name")
	ErrBlocked = errors.New("the contact is blocked")
)

// Entry is what the user says about an ID. The zero Entry says nothing. Times are zero for what does not hold.
type Entry struct {
	Name     string    `json:"name,omitempty"`
	Blocked  time.Time `json:"blocked,omitzero"`
	Declined time.Time `json:"declined,omitzero"`
}

// IsBlocked reports whether the user has blocked the ID.
func (e Entry) IsBlocked() bool { return !e.Blocked.IsZero() }

// IsDeclined reports whether the user has declined a request of the ID, and has not dealt with it since.
func (e Entry) IsDeclined() bool { return !e.Declined.IsZero() }

// Get returns the entry of an ID.
func Get(tx *keystore.Tx, id sessionid.ID) (entry Entry, err error) {
	_, err = tables.Get(tx, Table, entryPrefix+id.String(), &entry)
	return entry, err
}

// Change changes the entry of an ID, except for its name, and drops an entry that says nothing any more.
func Change(tx *keystore.Tx, id sessionid.ID, change func(*Entry)) error {
	entry, err := Get(tx, id)
	if err != nil {
		return err
	}
	name := entry.Name
	change(&entry)
	entry.Name = name
	return put(tx, id, entry)
}

func put(tx *keystore.Tx, id sessionid.ID, entry Entry) error {
	if entry == (Entry{}) {
		return tx.Delete(Table, entryPrefix+id.String())
	}
	return tables.Put(tx, Table, entryPrefix+id.String(), entry)
}

// Rename gives an ID a name instead of the one that it had. An empty name takes that away. Errors are those of
// [CheckName], and a [TakenError].
func Rename(tx *keystore.Tx, id sessionid.ID, name string) error {
	if name != "" {
		if err := CheckName(name); err != nil {
			return err
		}
		holder, found, err := Find(tx, name)
		if err != nil {
			return err
		}
		if found && holder != id {
			return &TakenError{Name: name, Holder: holder}
		}
	}
	entry, err := Get(tx, id)
	if err != nil {
		return err
	}
	if entry.Name != "" {
		if err := tx.Delete(Table, namePrefix+Fold(entry.Name)); err != nil {
			return err
		}
	}
	entry.Name = name
	if err := put(tx, id, entry); err != nil || name == "" {
		return err
	}
	return tables.Put(tx, Table, namePrefix+Fold(name), id)
}

// Find returns the ID that has a name.
func Find(tx *keystore.Tx, name string) (id sessionid.ID, found bool, err error) {
	found, err = tables.Get(tx, Table, namePrefix+Fold(name), &id)
	return id, found, err
}

// Each calls visit with each entry, in no particular order.
func Each(tx *keystore.Tx, visit func(id sessionid.ID, entry Entry) error) error {
	return tx.ForEach(Table, func(name string, value []byte) error {
		text, ok := strings.CutPrefix(name, entryPrefix)
		if !ok {
			return nil
		}
		id, err := sessionid.Parse(text)
		if err != nil {
			return fmt.Errorf("%w: table %s: %w", keystore.ErrCorrupt, Table, err)
		}
		var entry Entry
		if err := tables.Decode(Table, value, &entry); err != nil {
			return err
		}
		return visit(id, entry)
	})
}

// TakenError reports a name that another ID has. It wraps [ErrTaken].
type TakenError struct {
	Name   string
	Holder sessionid.ID
}

// Error implements error.
func (e *TakenError) Error() string { return fmt.Sprintf("%v: %s is %s", ErrTaken, e.Name, e.Holder) }

// Unwrap returns ErrTaken.
func (e *TakenError) Unwrap() error { return ErrTaken }

// Candidates returns the ID that has the name.
func (e *TakenError) Candidates() []string { return []string{e.Holder.String()} }

// All returns what the user says about each contact.
func All(tx *keystore.Tx) (map[sessionid.ID]Entry, error) {
	known := make(map[sessionid.ID]Entry)
	err := Each(tx, func(id sessionid.ID, entry Entry) error {
		known[id] = entry
		return nil
	})
	return known, err
}
