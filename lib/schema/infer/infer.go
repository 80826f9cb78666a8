// Package infer makes the JSON Schemas (draft 2020-12) of the records from their Go types and [record.Glossary], so
// that a schema always agrees with the code.
//
// [jsonschema.ForType] reads the types; this package adds what Go types lack: meanings, forms and constants. Schemas
// accept unknown fields, because fields are added within a major version. Only the generator and tests import this
// package: the library costs each process 0.2 ms at its start.
package infer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"

	"sessiontool/lib/record"
)

// draft is the edition of JSON Schema of the output.
const draft = "https://json-schema.org/draft/2020-12/schema"

// All returns the schemas of all records as one JSON object by record name, one schema a line.
func All() ([]byte, error) {
	var out bytes.Buffer
	for i, kind := range record.Kinds {
		made, err := Of(kind)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(made)
		if err != nil {
			return nil, fmt.Errorf("schema of %s: %w", kind.Name, err)
		}
		fmt.Fprintf(&out, "%c\n%q:%s", "{,"[min(i, 1)], kind.Name, text)
	}
	out.WriteString("\n}\n")
	return out.Bytes(), nil
}

// Of returns the schema of a kind of record. An error means that a type cannot be described, or that the glossary lacks
// a field.
func Of(kind record.Kind) (*jsonschema.Schema, error) {
	made, err := jsonschema.ForType(reflect.TypeOf(kind.Value), &jsonschema.ForOptions{TypeSchemas: InputTypes()})
	if err == nil {
		err = annotate(made, kind.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", kind.Name, err)
	}
	made.Schema, made.Title, made.Description = draft, kind.Name, kind.Summary
	if field := made.Properties["type"]; field != nil {
		field.Const = jsonschema.Ptr[any](kind.Name)
		if !slices.Contains(made.Required, "type") { // inside other records this one has no type
			made.Required = append([]string{"type"}, made.Required...)
		}
	}
	return made, nil
}

// InputTypes are the schemas of the types that accept more than one form.
func InputTypes() map[reflect.Type]*jsonschema.Schema {
	return map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[record.Word](): {Types: []string{"string", "number"}},
		reflect.TypeFor[record.Recipients](): {
			Types: []string{"string", "array"}, Items: &jsonschema.Schema{Type: "string"},
		},
	}
}

// annotate adds the glossary's meanings and forms to the fields of an object, at every depth. name is the field that
// holds the object, or the record.
func annotate(object *jsonschema.Schema, name string) error {
	object.AdditionalProperties = nil
	for _, field := range object.PropertyOrder {
		property := object.Properties[field]
		known, ok := record.FieldOf(name, field)
		if !ok {
			return fmt.Errorf("the glossary has no field %q of %s", field, name)
		}
		property.Description = known.Meaning
		// A list is always present, and an optional field is left out instead of null.
		if property.Items != nil || !slices.Contains(object.Required, field) {
			dropNull(property)
		}
		within := property
		if property.Items != nil {
			within = property.Items
		}
		within.Pattern = known.Form
		if err := annotate(within, field); err != nil {
			return err
		}
	}
	return nil
}

// dropNull removes null from the types that a value may have.
func dropNull(s *jsonschema.Schema) {
	s.Types = slices.DeleteFunc(s.Types, func(name string) bool { return name == "null" })
	if len(s.Types) == 1 {
		s.Type, s.Types = s.Types[0], nil
	}
}
