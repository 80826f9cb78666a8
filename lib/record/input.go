package record

import (
	"encoding/json"
	"reflect"
)

// Word is a text of the caller's that is only repeated. As input it may be a number, too, which stays as it is written.
type Word string

// UnmarshalJSON reads a text or a number.
func (w *Word) UnmarshalJSON(data []byte) error {
	var text *string
	if json.Unmarshal(data, &text) == nil {
		if text != nil {
			*w = Word(*text)
		}
		return nil
	}
	var number json.Number
	if json.Unmarshal(data, &number) != nil {
		return &json.UnmarshalTypeError{Value: valueName(data), Type: reflect.TypeFor[Word]()}
	}
	*w = Word(number)
	return nil
}

// Recipients are the Session IDs for which a draft is. As input, one may be a text instead of a list.
type Recipients []string

// UnmarshalJSON reads a text or a list of texts.
func (r *Recipients) UnmarshalJSON(data []byte) error {
	var one *string
	if json.Unmarshal(data, &one) == nil {
		if one != nil {
			*r = Recipients{*one}
		}
		return nil
	}
	var several []*string
	if json.Unmarshal(data, &several) != nil {
		return &json.UnmarshalTypeError{Value: listName(data), Type: reflect.TypeFor[Recipients]()}
	}
	*r = make(Recipients, len(several))
	for i, one := range several {
		if one == nil {
			return &json.UnmarshalTypeError{Value: "array with null", Type: reflect.TypeFor[Recipients]()}
		}
		(*r)[i] = *one
	}
	return nil
}

// listName is valueName for a value that is no list of texts: "array with number", for the first element that is none.
func listName(data []byte) string {
	var elements []json.RawMessage
	if json.Unmarshal(data, &elements) != nil {
		return valueName(data)
	}
	for _, element := range elements {
		if name := valueName(element); name != "string" && name != "null" {
			return "array with " + name
		}
	}
	return "array"
}

// valueName names the kind of a JSON value as package json does.
func valueName(data []byte) string {
	switch data[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "bool"
	case 'n':
		return "null"
	}
	return "number"
}
