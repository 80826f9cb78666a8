package onion

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// object is a JSON object with undecoded values. Unlike a struct of encoding/json it matches keys exactly and
// distinguishes an absent value from an empty one.
type object map[string]json.RawMessage

// parseObject decodes data, which must be one JSON object in UTF-8.
func parseObject(data []byte) (object, error) {
	if !utf8.Valid(data) {
		return nil, ErrNotText
	}
	if fields, ok := parsePlain(data); ok {
		return fields, nil
	}
	var fields object
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	return fields, nil
}

// parsePlain decodes an object in the form that every client writes: only strings, no escapes, and no blanks except one
// after a colon or a comma. For any other form it returns false. encoding/json then decodes the object, which takes ten
// times as long.
func parsePlain(data []byte) (object, bool) {
	rest, ok := bytes.CutPrefix(data, []byte("{"))
	fields := make(object, 4)
	for first := true; ok; first = false {
		if first && string(rest) == "}" {
			return fields, true
		}
		var key, value []byte
		if key, rest, ok = cutPlain(rest); !ok {
			break
		}
		if rest, ok = bytes.CutPrefix(rest, []byte(":")); !ok {
			break
		}
		if value, rest, ok = cutPlain(bytes.TrimPrefix(rest, []byte(" "))); !ok {
			break
		}
		fields[string(key[1:len(key)-1])] = value
		if string(rest) == "}" {
			return fields, true
		}
		rest, ok = bytes.CutPrefix(rest, []byte(","))
		rest = bytes.TrimPrefix(rest, []byte(" "))
	}
	return nil, false
}

// cutPlain splits data after a string without escapes. The text includes the quotes.
func cutPlain(data []byte) (text, rest []byte, ok bool) {
	if len(data) == 0 || data[0] != '"' {
		return nil, nil, false
	}
	for i, c := range data[1:] {
		switch {
		case c == '"':
			return data[:i+2], data[i+2:], true
		case c == '\\' || c < ' ':
			return nil, nil, false
		}
	}
	return nil, nil, false
}

func (o object) has(key string) bool {
	_, ok := o[key]
	return ok
}

// raw returns the string called key undecoded, with its quotes and escapes.
func (o object) raw(key string) (json.RawMessage, error) {
	value := o[key]
	if len(value) == 0 || value[0] != '"' {
		return nil, fmt.Errorf("%q is not a string", key)
	}
	return value, nil
}

// text returns the string called key.
func (o object) text(key string) (string, error) {
	value, err := o.raw(key)
	if err != nil {
		return "", err
	}
	if plain, _, ok := cutPlain(value); ok {
		return string(plain[1 : len(plain)-1]), nil
	}
	var text string
	err = json.Unmarshal(value, &text)
	return text, err
}

// marshal encodes v like JSON.stringify and the 2020 server: without HTML escapes and without a newline. The caller
// checks that strings are UTF-8, because encoding/json replaces invalid bytes silently.
func marshal(v any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}
