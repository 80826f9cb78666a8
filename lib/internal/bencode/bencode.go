// Package bencode reads and writes the bencoded dicts of Session Protocol v2 (session-v2.md section 2).
//
// The reader is a cursor that moves forward only, with the tolerances of the real reader: it looks for keys in sorted
// order, skips keys that it does not know, takes the first of two equal keys, and accepts leading zeros in numbers. The
// writer writes one form only; the caller writes keys in byte order.
package bencode

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
)

// ErrSyntax reports a text that is not the expected bencoded value. Every error of this package wraps it.
var ErrSyntax = errors.New("malformed bencoding")

// Value is the text of exactly one value, as a Dict or List yields it.
type Value []byte

// Bytes returns the string that v is.
func (v Value) Bytes() ([]byte, error) {
	content, end, err := scanString(v, 0)
	if err == nil && end != len(v) {
		err = syntax(end, "text after a string")
	}
	return content, err
}

// Int returns the integer that v is. An integer beyond int64 is an error.
func (v Value) Int() (int64, error) {
	negative, magnitude, end, err := scanInt(v, 0)
	switch {
	case err != nil:
		return 0, err
	case end != len(v):
		return 0, syntax(end, "text after an integer")
	case negative && magnitude <= 1<<63:
		return -int64(magnitude), nil // -1<<63 wraps to itself
	case !negative && magnitude <= math.MaxInt64:
		return int64(magnitude), nil
	}
	return 0, syntax(0, "integer out of range")
}

// Dict opens v as a dict.
func (v Value) Dict() *Dict { return Open(v) }

// IsInt reports whether v is an integer.
func (v Value) IsInt() bool { return len(v) > 0 && v[0] == 'i' }

// List returns the values of the list that v is.
func (v Value) List() ([]Value, error) {
	if len(v) == 0 || v[0] != 'l' {
		return nil, syntax(0, "expected a list")
	}
	var values []Value
	at := 1
	for at < len(v) && v[at] != 'e' {
		end, err := skip(v, at)
		if err != nil {
			return nil, err
		}
		values = append(values, v[at:end])
		at = end
	}
	if at != len(v)-1 {
		return nil, syntax(at, "the list does not end with the text")
	}
	return values, nil
}

// Dict is a cursor in one dict. The first error stays: every later call returns nothing, and Err reports it.
type Dict struct {
	text []byte
	at   int // where the next key starts, or the value of the key that is read
	err  error

	key   []byte // the key that is read, if isKey
	keyAt int    // where that key starts
	isKey bool
}

// Open starts reading the dict at the start of text. What follows the dict is not looked at before Finish.
func Open(text []byte) *Dict {
	d := &Dict{text: text, at: 1}
	if len(text) == 0 || text[0] != 'd' {
		d.err = syntax(0, "expected a dict")
	}
	return d
}

// Err returns the first error.
func (d *Dict) Err() error { return d.err }

// Find moves to key, past all smaller ones, and reports whether it is there. A greater key stays unread.
func (d *Dict) Find(key string) bool {
	for d.readKey() && string(d.key) < key {
		d.value()
	}
	return d.err == nil && d.isKey && string(d.key) == key
}

// Before returns the text of the dict up to key, which is what a signature under that key signs. It is an error if
// there is no such key.
func (d *Dict) Before(key string) []byte {
	if !d.need(key) {
		return nil
	}
	return d.text[:d.keyAt]
}

// Bytes returns the string under key, which must be there.
func (d *Dict) Bytes(key string) []byte {
	if !d.need(key) {
		return nil
	}
	content, err := d.value().Bytes()
	d.fail(err)
	return content
}

// Sized is Bytes for a string of size bytes.
func (d *Dict) Sized(key string, size int) []byte {
	content := d.Bytes(key)
	if d.err == nil && len(content) != size {
		d.fail(syntax(d.keyAt, fmt.Sprintf("the value of %q has %d bytes, not %d", key, len(content), size)))
	}
	if d.err != nil {
		return make([]byte, size) // so that a caller may convert it to an array before it looks at Err
	}
	return content
}

// Int returns the integer under key, which must be there.
func (d *Dict) Int(key string) int64 {
	if !d.need(key) {
		return 0
	}
	number, err := d.value().Int()
	d.fail(err)
	return number
}

// Value returns the value under key, which must be there.
func (d *Dict) Value(key string) Value {
	if !d.need(key) {
		return nil
	}
	return d.value()
}

// All yields the keys and values that are not read yet, in their order.
func (d *Dict) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for d.readKey() {
			key := string(d.key)
			value := d.value()
			if d.err != nil || !yield(key, value) {
				return
			}
		}
	}
}

// Finish skips what is left of the dict and returns Err. It is an error if the text does not end with the dict.
func (d *Dict) Finish() error {
	for d.readKey() {
		d.value()
	}
	if d.err == nil && d.at != len(d.text)-1 {
		d.fail(syntax(d.at+1, "text after the dict"))
	}
	return d.err
}

func (d *Dict) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *Dict) need(key string) bool {
	found := d.Find(key)
	if !found {
		d.fail(syntax(d.at, fmt.Sprintf("no key %q", key)))
	}
	return found
}

// readKey reads the next key unless one is read, and reports whether there is one.
func (d *Dict) readKey() bool {
	if d.err != nil || d.isKey {
		return d.err == nil
	}
	if d.at >= len(d.text) {
		d.fail(syntax(d.at, "the dict does not end"))
		return false
	}
	if d.text[d.at] == 'e' {
		return false
	}
	key, end, err := scanString(d.text, d.at)
	if err != nil {
		d.fail(err)
		return false
	}
	d.key, d.keyAt, d.at, d.isKey = key, d.at, end, true
	return true
}

// value reads the value of the key that is read.
func (d *Dict) value() Value {
	end, err := skip(d.text, d.at)
	if err != nil {
		d.fail(err)
		return nil
	}
	value := Value(d.text[d.at:end])
	d.at, d.isKey = end, false
	return value
}

// AppendBytes appends a string.
func AppendBytes(dst, content []byte) []byte {
	dst = strconv.AppendInt(dst, int64(len(content)), 10)
	return append(append(dst, ':'), content...)
}

// AppendInt appends an integer.
func AppendInt(dst []byte, number int64) []byte {
	return append(strconv.AppendInt(append(dst, 'i'), number, 10), 'e')
}

// AppendPair appends a key with a string.
func AppendPair(dst []byte, key string, content []byte) []byte {
	return AppendBytes(AppendBytes(dst, []byte(key)), content)
}

// AppendIntPair appends a key with an integer.
func AppendIntPair(dst []byte, key string, number int64) []byte {
	return AppendInt(AppendBytes(dst, []byte(key)), number)
}

func syntax(at int, problem string) error {
	return fmt.Errorf("%w at byte %d: %s", ErrSyntax, at, problem)
}
