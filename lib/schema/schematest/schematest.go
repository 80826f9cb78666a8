// Package schematest lets tests validate printed records against their schemas. [Checker] is stricter than the
// published schemas: it refuses fields that are not described.
package schematest

import (
	"encoding/json"
	"fmt"

	"github.com/google/jsonschema-go/jsonschema"

	"sessiontool/lib/record"
	"sessiontool/lib/schema"
)

// Checker validates records. Its zero value is ready; it is not safe for concurrent use.
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
	made, err := Parse(kind)
	if err != nil {
		return nil, err
	}
	closed(made)
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

// Parse returns a kind's schema as another program would read it.
func Parse(kind record.Kind) (*jsonschema.Schema, error) {
	text, err := schema.Of(kind)
	if err != nil {
		return nil, err
	}
	parsed := new(jsonschema.Schema)
	if err := json.Unmarshal(text, parsed); err != nil {
		return nil, fmt.Errorf("schema of %s: %w", kind.Name, err)
	}
	return parsed, nil
}

// closed refuses unknown fields, at every depth.
func closed(object *jsonschema.Schema) {
	if object.Properties != nil {
		object.AdditionalProperties = &jsonschema.Schema{Not: &jsonschema.Schema{}}
	}
	for _, property := range object.Properties {
		closed(property)
	}
	if object.Items != nil {
		closed(object.Items)
	}
}
