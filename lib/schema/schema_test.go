package schema_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"sessiontool/lib/record"
	"sessiontool/lib/schema"
	"sessiontool/lib/schema/infer"
	"sessiontool/lib/schema/schematest"
)

var update = flag.Bool("update", false, "add new fields to the pinned list")

// Every record has a schema, and its types agree with those that the library infers alone.
func TestEveryRecordHasASchema(t *testing.T) {
	for _, kind := range record.Kinds {
		made, err := schematest.Parse(kind)
		if err != nil {
			t.Error(err)
			continue
		}
		if made.Title != kind.Name || made.Description == "" || made.AdditionalProperties != nil {
			t.Errorf("the schema of %s lacks a title or summary, or refuses unknown fields", kind.Name)
		}
		if kind.Output && (made.Properties["type"] == nil || !slices.Contains(made.Required, "type")) {
			t.Errorf("%s is printed and has no type", kind.Name)
		}
		inferred, err := jsonschema.ForType(reflect.TypeOf(kind.Value),
			&jsonschema.ForOptions{TypeSchemas: infer.InputTypes()})
		if err != nil {
			t.Fatal(err)
		}
		compare(t, kind.Name, made, inferred)
	}
}

// compare compares a schema with the inferred one. It differs in two points: lists are never null, and neither are
// fields that are left out instead.
func compare(t *testing.T, where string, made, inferred *jsonschema.Schema) {
	t.Helper()
	types := slices.DeleteFunc(slices.Clone(inferred.Types), func(name string) bool {
		return name == "null" && !slices.Contains(made.Types, "null")
	})
	joined := func(one string, many []string) string {
		return one + strings.Join(slices.Sorted(slices.Values(many)), "")
	}
	if joined(made.Type, made.Types) != joined(inferred.Type, types) {
		t.Errorf("%s is %s%s, not %s%s", where, made.Type, made.Types, inferred.Type, inferred.Types)
	}
	for _, name := range inferred.Required {
		if !slices.Contains(made.Required, name) {
			t.Errorf("%s.%s is not required", where, name)
		}
	}
	if len(made.Properties) != len(inferred.Properties) {
		t.Errorf("%s has %d fields, not %d", where, len(made.Properties), len(inferred.Properties))
	}
	for name, property := range inferred.Properties {
		if made.Properties[name] == nil {
			t.Errorf("%s lacks %s", where, name)
			continue
		}
		compare(t, where+"."+name, made.Properties[name], property)
	}
	if inferred.Items != nil {
		compare(t, where+".#", made.Items, inferred.Items)
	}
}

// The committed schemas are current.
func TestSchemasAreCurrent(t *testing.T) {
	want, err := infer.All()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("schemas.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("schemas.json is not current: run 'go generate ./lib/schema'")
	}
}

// Every record is in the list of kinds, and every name of the glossary is used.
func TestNothingIsLeftOut(t *testing.T) {
	listed := make(map[string]bool)
	for _, kind := range record.Kinds {
		if listed[kind.Name] {
			t.Errorf("%s is listed twice", kind.Name)
		}
		listed[kind.Name] = true
	}
	for name := range recordTypes(t) {
		if !listed[name] {
			t.Errorf("record type %q is not among record.Kinds", name)
		}
	}
	used := make(map[string]bool)
	for _, kind := range record.Kinds {
		collect(reflect.TypeOf(kind.Value), kind.Name, used)
	}
	for _, name := range slices.Sorted(maps.Keys(record.Glossary)) {
		if !used[name] {
			t.Errorf("the glossary explains %s, which no record has", name)
		}
	}
}

// collect records the names that are looked up in the glossary.
func collect(of reflect.Type, name string, used map[string]bool) {
	for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return
	}
	for i := range of.NumField() {
		if of.Field(i).Anonymous {
			collect(of.Field(i).Type, name, used)
			continue
		}
		field, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		if _, special := record.Glossary[name+"."+field]; special {
			used[name+"."+field] = true
		} else {
			used[field] = true
		}
		collect(of.Field(i).Type, field, used)
	}
}

// recordTypes returns the values of the constants Type... of package record.
func recordTypes(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../record/*.go")
	if err != nil {
		t.Fatal(err)
	}
	types := make(map[string]bool)
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Type") {
				return true
			}
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
				types[strings.Trim(literal.Value, `"`)] = true
			}
			return true
		})
	}
	if len(types) < 20 {
		t.Fatalf("found only %d types of records", len(types))
	}
	return types
}

// Within a major version fields are only added: the list of those that scripts may rely on never loses a line.
func TestPinnedFields(t *testing.T) {
	const path = "testdata/fields.txt"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pinned := strings.FieldsFunc(string(data), func(r rune) bool { return r == '\n' })
	var current []string
	for _, kind := range record.Kinds {
		fields, err := schema.Fields(kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range fields {
			presence := "optional"
			if field.Required {
				presence = "always"
			}
			current = append(current, fmt.Sprintf("%s.%s: %s, %s", kind.Name, field.Path, field.Types, presence))
		}
	}
	for _, line := range pinned {
		if !slices.Contains(current, line) {
			t.Errorf("scripts may rely on %q, and it is gone", line)
		}
	}
	var added []string
	for _, line := range current {
		if !slices.Contains(pinned, line) {
			added = append(added, line)
		}
	}
	if len(added) == 0 || t.Failed() {
		return
	}
	if !*update {
		t.Fatalf("new fields, to be pinned with -update:\n%s", strings.Join(added, "\n"))
	}
	all := slices.Sorted(slices.Values(append(pinned, added...)))
	if err := os.WriteFile(path, []byte(strings.Join(all, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
