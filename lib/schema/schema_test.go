package schema

import (
	"encoding/json"
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

	"sessiontool/lib/record"
)

var update = flag.Bool("update", false, "add new fields to the pinned list")

// Every record has a schema that says what each field is, and is one that other programs understand.
func TestEveryRecordHasASchema(t *testing.T) {
	for _, kind := range record.Kinds {
		made, err := Of(kind)
		if err != nil {
			t.Error(err)
			continue
		}
		if made.Title != kind.Name || made.Description == "" || made.AdditionalProperties != nil {
			t.Errorf("the schema of %s lacks a title or summary, or refuses unknown fields", kind.Name)
		}
		if _, err := made.Resolve(nil); err != nil {
			t.Errorf("%s: %v", kind.Name, err)
		}
		if kind.Output && made.Properties["type"] == nil {
			t.Errorf("%s is printed and has no type", kind.Name)
		}
	}
}

// Whoever adds a record adds it to the list of kinds, and whoever adds a name to the glossary uses it.
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

// collect notes the names under which the glossary is asked.
func collect(of reflect.Type, name string, used map[string]bool) {
	for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return
	}
	for i := range of.NumField() {
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
		fields, err := Fields(kind)
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

func TestChecker(t *testing.T) {
	var checker Checker
	id := "05" + strings.Repeat("ab", 32)
	good := record.Removed{Type: record.TypeRemoved, Kind: "contact", Account: "a", SessionID: id}
	line, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	if name, err := checker.Check(line); name != record.TypeRemoved || err != nil {
		t.Errorf("%s is refused: %v", line, err)
	}
	for what, bad := range map[string]string{
		"no JSON":          `hello`,
		"no object":        `[1]`,
		"no type":          `{"kind":"contact"}`,
		"unknown type":     `{"type":"tea"}`,
		"only an input":    `{"type":"draft","to":"","text":""}`,
		"field missing":    `{"type":"removed","kind":"contact","account":"a"}`,
		"unknown field":    strings.Replace(string(line), "{", `{"more":1,`, 1),
		"wrong type":       strings.Replace(string(line), `"a"`, `1`, 1),
		"wrong form":       strings.Replace(string(line), id, "05ab", 1),
		"list that is nil": `{"type":"path","guard":"` + id[2:] + `","hops":null}`,
	} {
		if _, err := checker.Check([]byte(bad)); err == nil {
			t.Errorf("%s: %s counts as a record", what, bad)
		}
	}
}
