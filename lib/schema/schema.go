// Package schema holds the JSON Schemas (draft 2020-12) of all records. Package infer makes them from the Go types;
// 'go generate ./lib/schema' writes them to schemas.json, and a test fails while that file is not current.
package schema

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"sessiontool/lib/record"
)

//go:generate go run ./generate schemas.json

// schemas is a JSON object that maps the names of records to their schemas, one per line.
//
//go:embed schemas.json
var schemas string

// Of returns the schema of a kind of record. The error means that the kind is not among [record.Kinds].
func Of(kind record.Kind) (json.RawMessage, error) {
	made := gjson.Get(schemas, gjson.Escape(kind.Name))
	if !made.IsObject() {
		return nil, fmt.Errorf("record %q has no schema", kind.Name)
	}
	return json.RawMessage(made.Raw), nil
}

// Field is one field of a record as scripts address it.
type Field struct {
	Path     string // gjson path: nodes.#.ok
	Types    string // JSON types, such as string or integer|null; any if all types are allowed
	Required bool   // within its object
	Meaning  string
}

// Fields lists the fields of a kind of record in their order, with those of inner objects. The error is that of [Of].
func Fields(kind record.Kind) ([]Field, error) {
	made, err := Of(kind)
	if err != nil {
		return nil, err
	}
	return appendFields(nil, gjson.ParseBytes(made), ""), nil
}

func appendFields(fields []Field, object gjson.Result, prefix string) []Field {
	required := texts(object.Get("required"))
	object.Get("properties").ForEach(func(name, property gjson.Result) bool {
		fields = append(fields, Field{
			Path: prefix + name.String(), Types: types(property), Required: slices.Contains(required, name.String()),
			Meaning: property.Get("description").String(),
		})
		if items := property.Get("items"); items.Exists() {
			fields = appendFields(fields, items, prefix+name.String()+".#.")
		}
		if property.Get("properties").Exists() {
			fields = appendFields(fields, property, prefix+name.String()+".")
		}
		return true
	})
	return fields
}

// types names the JSON types of a value, null last.
func types(value gjson.Result) string {
	if items := value.Get("items"); items.Exists() {
		return "array of " + types(items)
	}
	names := texts(value.Get("type"))
	if len(names) == 0 {
		return "any"
	}
	slices.SortStableFunc(names, func(a, b string) int { return strings.Compare(last(a), last(b)) })
	return strings.Join(names, "|")
}

// last returns a sort key that puts null after the other types.
func last(name string) string {
	if name == "null" {
		return name
	}
	return ""
}

// texts returns a string, or the strings of a list.
func texts(value gjson.Result) (all []string) {
	for _, one := range value.Array() {
		all = append(all, one.String())
	}
	return all
}
