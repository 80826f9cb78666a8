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

// formVersion counts the forms of the versioned values of an account. One of a later form is [keystore.ErrVersion].
//
//	0: no number. A receipt has a type. Protocols are those of the contacts' oldProtocols, or the words of form 1.
//	1: the number, no type, and the words of the constants for protocols. All else is as before.
const formVersion = 1

// Form is the version number in a stored value.
type Form struct {
	Version int `json:"version,omitempty"`
}

// CurrentForm is the version that this program writes.
var CurrentForm = Form{formVersion}

// FormVersion returns the number.
func (f Form) FormVersion() int { return f.Version }

// DecodeForm is [Decode] for a value with a [Form]. It returns [keystore.ErrVersion] for a later version.
func DecodeForm(table keystore.Table, data []byte, v interface{ FormVersion() int }) error {
	err := Decode(table, data, v)
	if version := v.FormVersion(); version > formVersion {
		return fmt.Errorf("%w: table %s has form %d", keystore.ErrVersion, table, version)
	}
	return err
}
