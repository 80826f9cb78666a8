// Package listeners records which processes of an account listen, and at which service node, within transactions of the
// keystore.
package listeners

import (
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
)

// Table has a record for each process that listens.
const Table keystore.Table = "listeners"

// Listener is the node at which a process listens: its Ed25519 key in hex, and its port.
type Listener struct {
	Node  string    `json:"node"`
	Port  uint16    `json:"port"`
	Since time.Time `json:"since"`
}

// Put records where the process owner listens.
func Put(tx *keystore.Tx, owner string, at Listener) error { return tables.Put(tx, Table, owner, at) }

// Remove deletes the record of a process.
func Remove(tx *keystore.Tx, owner string) error { return tx.Delete(Table, owner) }

// Forget deletes the records of processes that have ended.
func Forget(tx *keystore.Tx, alive func(owner string) bool) error {
	return tx.ForEach(Table, func(owner string, _ []byte) error {
		if alive(owner) {
			return nil
		}
		return Remove(tx, owner)
	})
}

// Newest returns the newest record of a running process, or nil.
func Newest(tx *keystore.Tx, alive func(owner string) bool) (newest *Listener, err error) {
	err = tx.ForEach(Table, func(owner string, value []byte) error {
		var at Listener
		if err := tables.Decode(Table, value, &at); err != nil {
			return err
		}
		if (newest == nil || at.Since.After(newest.Since)) && alive(owner) {
			newest = &at
		}
		return nil
	})
	return newest, err
}
