// Package bencode decodes and encodes the bencoded dicts of session-v2 (session-v2.md section 2).
//
// The reader is a cursor that moves only forward. It tolerates what libsession tolerates: it reads keys in sorted
// order, skips unknown keys, takes the first of two equal keys, and accepts leading zeros in numbers. The writer has
// one canonical form. The caller writes keys in byte order.
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

// Value is the encoded text of exactly one value. A Dict or a List returns it.
type Value []byte

// Bytes decodes v as a string.
func (v Value) Bytes() ([]byte, error) {
	content, end, err := scanString(v, 0)
	if err == nil && end != len(v) {
		err = syntax(end, "text after a string")
	}
	return content, err
}

// Int decodes v as an integer. An integer beyond int64 is an error.
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

// Dict starts reading v as a dict.
func (v Value) Dict() *Dict { return Open(v) }

// IsInt reports whether v is an integer.
func (v Value) IsInt() bool { return len(v) > 0 && v[0] == 'i' }

// List decodes v as a list and returns its values.
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

// Dict is a cursor in a dict. After the first error every call returns the zero value, and [Dict.Err] returns that
// error.
type Dict struct {
	text []byte
	at   int // where the next key starts, or the value of the key that is read
	err  error

	key   []byte // the key that is read, if isKey
	keyAt int    // where that key starts
	isKey bool
}

// Open starts reading the dict at the start of text. Only [Dict.Finish] checks that nothing follows the dict.
func Open(text []byte) *Dict {
	d := &Dict{text: text, at: 1}
	if len(text) == 0 || text[0] != 'd' {
		d.err = syntax(0, "expected a dict")
	}
	return d
}

// Err returns the first error.
func (d *Dict) Err() error { return d.err }

// Find skips all keys smaller than key, and reports whether key is next. It does not skip a greater key.
func (d *Dict) Find(key string) bool {
	for d.readKey() && string(d.key) < key {
		d.value()
	}
	return d.err == nil && d.isKey && string(d.key) == key
}

// Before returns the text of the dict up to key. A signature under that key covers this text. A missing key is an
// error.
func (d *Dict) Before(key string) []byte {
	if !d.need(key) {
		return nil
	}
	return d.text[:d.keyAt]
}

// Bytes returns the string under key. A missing key is an error.
func (d *Dict) Bytes(key string) []byte {
	if !d.need(key) {
		return nil
	}
	content, err := d.value().Bytes()
	d.fail(err)
	return content
}

// Sized is [Dict.Bytes] for a string of size bytes. Another size is an error.
func (d *Dict) Sized(key string, size int) []byte {
	content := d.Bytes(key)
	if d.err == nil && len(content) != size {
		d.fail(syntax(d.keyAt, fmt.Sprintf("the value of %q has %d bytes, not %d", key, len(content), size)))
	}
	if d.err != nil {
		return make([]byte, size) // so that a caller can convert it to an array before it checks Err
	}
	return content
}

// Int returns the integer under key. A missing key is an error.
func (d *Dict) Int(key string) int64 {
	if !d.need(key) {
		return 0
	}
	number, err := d.value().Int()
	d.fail(err)
	return number
}

// Value returns the value under key. A missing key is an error.
func (d *Dict) Value(key string) Value {
	if !d.need(key) {
		return nil
	}
	return d.value()
}

// All yields the unread keys and values in order.
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

// Finish skips the rest of the dict and returns [Dict.Err]. It is an error if the text does not end with the dict.
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

// readKey reads the next key unless a key is already read, and reports whether there is one.
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
