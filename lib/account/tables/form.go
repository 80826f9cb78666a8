package tables

import (
	"fmt"

	"sessiontool/keystore"
)

// Form is the version number in a stored value. A value without one has form 0.
type Form struct {
	Version int `json:"version,omitempty"`
}

// Number returns the version number.
func (f Form) Number() int { return f.Version }

// ReadForm decodes a value into v. It returns [keystore.ErrVersion] if the value has a later form than newest.
func ReadForm(table keystore.Table, data []byte, newest int, v interface{ Number() int }) error {
	err := Decode(table, data, v)
	if number := v.Number(); number > newest {
		return fmt.Errorf("%w: table %s has form %d", keystore.ErrVersion, table, number)
	}
	return err
}
