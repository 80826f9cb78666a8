// Package tables reads and writes the records of an account's tables as JSON, within transactions of the keystore.
package tables

import (
	"encoding/json"
	"fmt"

	"sessiontool/keystore"
)

// Counters is the table of counters: name -> last number used.
const Counters keystore.Table = "counters"

// Get decodes the record called name into v and reports whether there is one. The error wraps keystore.ErrCorrupt if the
// record is no JSON of v's form.
func Get(tx *keystore.Tx, table keystore.Table, name string, v any) (bool, error) {
	data, ok, err := tx.Get(table, name)
	if err != nil || !ok {
		return false, err
	}
	return true, Decode(table, data, v)
}

// Decode decodes the value of a record into v. The error wraps keystore.ErrCorrupt.
func Decode(table keystore.Table, data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: table %s: %w", keystore.ErrCorrupt, table, err)
	}
	return nil
}

// Put stores v as the record called name.
func Put(tx *keystore.Tx, table keystore.Table, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.Put(table, name, data)
}

// Next increments a counter, from 1, and returns it.
func Next(tx *keystore.Tx, counter string) (uint32, error) {
	var last uint32
	if _, err := Get(tx, Counters, counter, &last); err != nil {
		return 0, err
	}
	last++
	return last, Put(tx, Counters, counter, last)
}
