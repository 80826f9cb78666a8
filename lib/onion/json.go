package onion

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// object is a JSON object whose values are still text. Keys are matched exactly, which encoding/json does not do for
// structs, and presence is told from emptiness.
type object map[string]json.RawMessage

// parseObject reads a JSON object in UTF-8 that has nothing behind it.
func parseObject(data []byte) (object, error) {
	if !utf8.Valid(data) {
		return nil, ErrNotText
	}
	var fields object
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	return fields, nil
}

func (o object) has(key string) bool {
	_, ok := o[key]
	return ok
}

// raw returns the string called key as it is written, quotes and escapes included.
func (o object) raw(key string) (json.RawMessage, error) {
	value := o[key]
	if len(value) == 0 || value[0] != '"' {
		return nil, fmt.Errorf("no string %q", key)
	}
	return value, nil
}

// text returns the string called key.
func (o object) text(key string) (string, error) {
	value, err := o.raw(key)
	if err != nil {
		return "", err
	}
	var text string
	err = json.Unmarshal(value, &text)
	return text, err
}

// marshal encodes v as JSON.stringify and the 2020 server do: no HTML escapes and no line end. Callers see to it that
// strings are UTF-8, since encoding/json silently replaces what is not.
func marshal(v any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}
