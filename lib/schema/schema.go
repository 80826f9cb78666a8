// Package schema makes JSON Schemas (draft 2020-12) of the records from their Go types and the glossary of package
// record, so that a schema cannot say anything else than the code does.
//
// Schemas let unknown fields pass, since within a major version fields are added.
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"sessiontool/lib/record"
)

// draft is the edition of JSON Schema that is written.
const draft = "https://json-schema.org/draft/2020-12/schema"

// Schema is the part of a JSON Schema that records need.
type Schema struct {
	Draft       string     `json:"$schema,omitempty"`
	Title       string     `json:"title,omitempty"`
	Description string     `json:"description,omitempty"`
	Type        Types      `json:"type,omitempty"`
	Const       string     `json:"const,omitempty"`
	Pattern     string     `json:"pattern,omitempty"`
	Items       *Schema    `json:"items,omitempty"`
	Properties  Properties `json:"properties,omitempty"`
	Required    []string   `json:"required,omitempty"`
}

// Types are the JSON types that a value may have; none means any.
type Types []string

// MarshalJSON writes a single type as a string.
func (t Types) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// Properties are the fields of an object in the order in which they are printed.
type Properties []Property

// Property is one field of an object.
type Property struct {
	Name   string
	Schema *Schema
}

// MarshalJSON writes an object.
func (p Properties) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	for i, property := range p {
		name, err := json.Marshal(property.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(property.Schema)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "%c%s:%s", "{,"[min(i, 1)], name, value)
	}
	return append(out.Bytes(), '}'), nil
}

// Of returns the schema of a kind of record. An error means that a type cannot be described, or that the glossary lacks
// a field.
func Of(kind record.Kind) (*Schema, error) {
	made, err := of(reflect.TypeOf(kind.Value), kind.Name)
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", kind.Name, err)
	}
	made.Draft, made.Title, made.Description = draft, kind.Name, kind.Summary
	if made.Properties[0].Name == "type" {
		made.Properties[0].Schema.Const = kind.Name
		if len(made.Required) == 0 || made.Required[0] != "type" { // a record that stands within others without its type
			made.Required = append([]string{"type"}, made.Required...)
		}
	}
	return made, nil
}

// of describes values of a type that stand in the field, or are the record, of that name.
func of(t reflect.Type, name string) (*Schema, error) {
	switch t.Kind() {
	case reflect.String:
		return &Schema{Type: Types{"string"}}, nil
	case reflect.Bool:
		return &Schema{Type: Types{"boolean"}}, nil
	case reflect.Int, reflect.Int64, reflect.Uint32, reflect.Uint64:
		return &Schema{Type: Types{"integer"}}, nil
	case reflect.Float64:
		return &Schema{Type: Types{"number"}}, nil
	case reflect.Map:
		return &Schema{Type: Types{"object"}}, nil
	case reflect.Interface:
		return &Schema{}, nil
	case reflect.Pointer:
		made, err := of(t.Elem(), name)
		if err == nil {
			made.Type = append(made.Type, "null")
		}
		return made, err
	case reflect.Slice:
		items, err := of(t.Elem(), name)
		return &Schema{Type: Types{"array"}, Items: items}, err
	case reflect.Struct:
		return ofStruct(t, name)
	}
	return nil, fmt.Errorf("%s: no JSON is known for %s", name, t)
}

func ofStruct(t reflect.Type, name string) (*Schema, error) {
	made := &Schema{Type: Types{"object"}}
	for i := range t.NumField() {
		field, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		property, err := of(t.Field(i).Type, field)
		if err != nil {
			return nil, err
		}
		known, ok := record.FieldOf(name, field)
		if !ok {
			return nil, fmt.Errorf("the glossary has no field %q of %s", field, name)
		}
		property.Description = known.Meaning
		if property.Items != nil {
			property.Items.Pattern = known.Form
		} else {
			property.Pattern = known.Form
		}
		if options == "omitempty" {
			property.Type = withoutNull(property.Type) // what would be null is left out
		} else {
			made.Required = append(made.Required, field)
		}
		made.Properties = append(made.Properties, Property{field, property})
	}
	return made, nil
}

func withoutNull(types Types) Types {
	if last := len(types) - 1; last > 0 && types[last] == "null" {
		return types[:last]
	}
	return types
}

// Field is one field of a record as scripts reach it.
type Field struct {
	Path     string // gjson path: nodes.#.ok
	Types    string // JSON types, such as string or integer|null; any where it may be anything
	Required bool   // within its object
	Meaning  string
}

// Fields lists the fields of a kind of record in their order, with those of objects within. Errors are those of Of.
func Fields(kind record.Kind) ([]Field, error) {
	made, err := Of(kind)
	if err != nil {
		return nil, err
	}
	return made.fields(""), nil
}

func (s *Schema) fields(prefix string) (fields []Field) {
	required := make(map[string]bool)
	for _, name := range s.Required {
		required[name] = true
	}
	for _, property := range s.Properties {
		fields = append(fields, Field{
			Path: prefix + property.Name, Types: property.Schema.types(), Required: required[property.Name],
			Meaning: property.Schema.Description,
		})
		if property.Schema.Items != nil {
			fields = append(fields, property.Schema.Items.fields(prefix+property.Name+".#.")...)
		}
	}
	return fields
}

func (s *Schema) types() string {
	switch {
	case len(s.Type) == 0:
		return "any"
	case s.Items != nil:
		return "array of " + s.Items.types()
	}
	return strings.Join(s.Type, "|")
}
