// Package schema makes JSON Schemas (draft 2020-12) of the records from their Go types and the glossary of package
// record, so that a schema cannot say anything else than the code does.
//
// Schemas let unknown fields pass, since within a major version fields are added. Strict ones do not: they are for the
// tests of this program, whose records have no field that is not described.
package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"sessiontool/lib/record"
)

// draft is the edition of JSON Schema that is written.
const draft = "https://json-schema.org/draft/2020-12/schema"

// Of returns the schema of a kind of record. An error means that a type cannot be described, or that the glossary lacks
// a field.
func Of(kind record.Kind) (*jsonschema.Schema, error) {
	made, err := strict(kind)
	if err != nil {
		return nil, err
	}
	open(made)
	return made, nil
}

// strict returns the schema that refuses unknown fields.
func strict(kind record.Kind) (*jsonschema.Schema, error) {
	made, err := jsonschema.ForType(reflect.TypeOf(kind.Value), &jsonschema.ForOptions{})
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", kind.Name, err)
	}
	made.Schema, made.Title, made.Description = draft, kind.Name, kind.Summary
	if err := describe(made, kind.Name); err != nil {
		return nil, err
	}
	if property, ok := made.Properties["type"]; ok {
		property.Const = jsonschema.Ptr[any](kind.Name)
		if !slices.Contains(made.Required, "type") { // a record that stands within others without its type
			made.Required = append([]string{"type"}, made.Required...)
		}
	}
	return made, nil
}

// describe adds what the glossary says of an object's fields, and of those of objects within.
func describe(object *jsonschema.Schema, name string) error {
	for field, property := range object.Properties {
		known, ok := record.FieldOf(name, field)
		if !ok {
			return fmt.Errorf("schema of %s: the glossary has no field %q", name, field)
		}
		settleNull(property, slices.Contains(object.Required, field))
		property.Description = known.Meaning
		texts := property
		if property.Items != nil {
			texts = property.Items
		}
		if texts.Type == "string" {
			texts.Pattern = known.Form
		}
		if err := describe(texts, field); err != nil {
			return err
		}
	}
	return nil
}

// settleNull takes null from the types of lists, which are always present, and of what is left out instead.
func settleNull(property *jsonschema.Schema, required bool) {
	other := slices.DeleteFunc(slices.Clone(property.Types), func(name string) bool { return name == "null" })
	if len(other) == 1 && (other[0] == "array" || !required) {
		property.Type, property.Types = other[0], nil
	}
}

// open lets unknown fields pass, at every depth.
func open(made *jsonschema.Schema) {
	if made.Properties != nil {
		made.AdditionalProperties = nil
	}
	for _, property := range made.Properties {
		open(property)
	}
	if made.Items != nil {
		open(made.Items)
	}
}

// Checker validates printed records strictly. Its zero value is ready; it is not safe for concurrent use.
type Checker struct {
	resolved map[string]*jsonschema.Resolved
}

// Check returns the type of a record, and an error if the line is not a record that commands may print.
func (c *Checker) Check(line []byte) (string, error) {
	var object map[string]any
	if err := json.Unmarshal(line, &object); err != nil {
		return "", fmt.Errorf("not a JSON object: %w", err)
	}
	name, _ := object["type"].(string)
	resolved, err := c.schema(name)
	if err != nil {
		return name, err
	}
	return name, resolved.Validate(object)
}

func (c *Checker) schema(name string) (*jsonschema.Resolved, error) {
	if resolved, ok := c.resolved[name]; ok {
		return resolved, nil
	}
	kind, ok := record.KindOf(name)
	if !ok || !kind.Output {
		return nil, fmt.Errorf("type %q is not that of a record", name)
	}
	made, err := strict(kind)
	if err != nil {
		return nil, err
	}
	resolved, err := made.Resolve(nil)
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", name, err)
	}
	if c.resolved == nil {
		c.resolved = make(map[string]*jsonschema.Resolved)
	}
	c.resolved[name] = resolved
	return resolved, nil
}

// Field is one field of a record as scripts reach it.
type Field struct {
	Path     string // gjson path: nodes.#.ok
	Types    string // JSON types, such as string or integer|null; any where it may be anything
	Required bool   // within its object
	Meaning  string
}

// Fields lists the fields of a kind of record in their order, with those of objects within.
func Fields(kind record.Kind) ([]Field, error) {
	made, err := strict(kind)
	if err != nil {
		return nil, err
	}
	return fieldsOf(made, ""), nil
}

func fieldsOf(object *jsonschema.Schema, prefix string) (fields []Field) {
	for _, name := range object.PropertyOrder {
		property := object.Properties[name]
		fields = append(fields, Field{
			Path: prefix + name, Types: typesOf(property), Required: slices.Contains(object.Required, name),
			Meaning: property.Description,
		})
		if property.Items != nil {
			fields = append(fields, fieldsOf(property.Items, prefix+name+".#.")...)
		}
	}
	return fields
}

func typesOf(property *jsonschema.Schema) string {
	types := property.Types
	if property.Type != "" {
		types = []string{property.Type}
	}
	if len(types) == 0 {
		return "any"
	}
	sorted := slices.Sorted(slices.Values(types))
	if property.Items != nil {
		return strings.Join(sorted, "|") + " of " + typesOf(property.Items)
	}
	return strings.Join(sorted, "|")
}
