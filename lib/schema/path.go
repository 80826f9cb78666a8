package schema

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"sessiontool/lib/record"
)

// CheckPath returns an error if a gjson path cannot select anything of records of these kinds: one of its fields is
// unknown, or its brackets do not match. What follows a modifier or a group of paths is not checked.
func CheckPath(kinds []string, selected string) error {
	var records []node
	for _, name := range kinds {
		kind, ok := record.KindOf(name)
		if !ok {
			return fmt.Errorf("record %q has no schema", name)
		}
		made, err := Of(kind)
		if err != nil {
			return err
		}
		records = append(records, node{gjson.ParseBytes(made)})
	}
	if rest, ok := strings.CutPrefix(selected, ".."); ok { // the record as a list of one
		_, selected, _ = strings.Cut(rest, ".")
	}
	if selected == "" {
		return errors.New("it is empty")
	}
	return check(records, selected)
}

// node is the schema of a value that a part of a path selects.
type node struct{ schema gjson.Result }

// free reports whether the schema does not say which fields the value has.
func (n node) free() bool {
	return !n.schema.Get("type").Exists() || n.is("object") && !n.schema.Get("properties").Exists()
}

// is reports whether the value may have a type.
func (n node) is(name string) bool {
	for _, one := range n.schema.Get("type").Array() {
		if one.String() == name {
			return true
		}
	}
	return false
}

// step returns what one part of a path selects of the value. The part is a name or a pattern for names, an index, # or
// a query.
func (n node) step(part string) (selected []node, err error) {
	if n.free() {
		return []node{n}, nil
	}
	if n.is("array") {
		items := node{n.schema.Get("items")}
		if _, err := strconv.ParseUint(part, 10, 64); err == nil || part == "#" {
			return []node{items}, nil
		}
		if query, ok := queryOf(part); ok {
			if field := comparedField(query); field != "" {
				err = check([]node{items}, field)
			}
			return []node{items}, err
		}
	}
	wild := strings.ContainsAny(part, "*?")
	n.schema.Get("properties").ForEach(func(name, property gjson.Result) bool {
		fits, err := path.Match(part, name.String())
		if name.String() == unescape(part) || wild && err == nil && fits {
			selected = append(selected, node{property})
		}
		return true
	})
	return selected, nil
}

// check returns an error if no value of nodes can have what a path selects.
func check(nodes []node, path string) error {
	switch {
	case path == "":
		return errors.New("it ends with a separator")
	case path[0] == '!':
		return nil // a literal
	case path[0] == '@':
		name := path[1:]
		if end := strings.IndexAny(name, ":.|"); end >= 0 {
			name = name[:end]
		}
		if !gjson.ModifierExists(name, nil) {
			return fmt.Errorf("there is no modifier @%s", name)
		}
		return nil
	case path[0] == '[' || path[0] == '{':
		return checkGroup(nodes, path)
	}
	part, rest, sep, err := cut(path)
	if err != nil {
		return err
	}
	var selected []node
	var wrong error
	for _, n := range nodes {
		found, err := n.step(part)
		if err != nil {
			wrong = err
			continue
		}
		selected = append(selected, found...)
	}
	switch {
	case len(selected) == 0 && wrong != nil:
		return wrong
	case len(selected) == 0:
		return fmt.Errorf("there is no field %q", part)
	case sep == '|' && rest != "" && rest[0] != '@':
		return nil // it applies to all that was selected, which may be a new list
	case sep == 0:
		return nil
	}
	return check(selected, rest)
}

// checkGroup checks each path of [a,b] or {a,"name":b}.
func checkGroup(nodes []node, path string) error {
	end, commas, err := balanced(path)
	if err != nil {
		return err
	}
	start := 1
	for _, comma := range append(commas, end) {
		one := strings.TrimSpace(path[start:comma])
		if path[0] == '{' {
			one = withoutName(one)
		}
		if err := check(nodes, one); err != nil {
			return err
		}
		start = comma + 1
	}
	return nil
}

// withoutName drops the name in front of a path of a group.
func withoutName(one string) string {
	if strings.HasPrefix(one, `"`) {
		if name := gjson.Parse(one); name.Type == gjson.String && strings.HasPrefix(one[len(name.Raw):], ":") {
			return one[len(name.Raw)+1:]
		}
	}
	name, path, found := strings.Cut(one, ":")
	if found && !strings.ContainsAny(name, `.|#@[{("\`) {
		return path
	}
	return one
}

// cut returns the first part of a path, and the rest and what separates them, or 0 if there is no more.
func cut(path string) (part, rest string, sep byte, err error) {
	from := 0
	if strings.HasPrefix(path, "#(") {
		if from, _, err = balanced(path[1:]); err != nil {
			return "", "", 0, err
		}
		from += 2
	}
	for i := from; i < len(path); i++ {
		switch path[i] {
		case '\\':
			i++
		case '.', '|':
			return path[:i], path[i+1:], path[i], nil
		}
	}
	return path, "", 0, nil
}

// balanced returns where the bracket ends with which a text begins, and the commas within it that are in no inner one.
func balanced(text string) (end int, commas []int, err error) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			i += len(gjson.Parse(text[i:]).Raw) - 1
			if i < 0 || text[i] != '"' {
				return 0, nil, errors.New("a quotation mark is not closed")
			}
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return i, commas, nil
			}
		case ',':
			if depth == 1 {
				commas = append(commas, i)
			}
		}
	}
	return 0, nil, errors.New("a bracket is not closed")
}

// queryOf returns the query in #(query) or #(query)#.
func queryOf(part string) (query string, ok bool) {
	if !strings.HasPrefix(part, "#(") {
		return "", false
	}
	return strings.TrimSuffix(strings.TrimSuffix(part[2:], "#"), ")"), true
}

// comparedField returns the path that a query compares; empty if it compares the values themselves.
func comparedField(query string) string {
	depth := 0
	for i := range len(query) {
		switch query[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case '=', '!', '<', '>', '%':
			if depth == 0 {
				return strings.TrimSpace(query[:i])
			}
		}
	}
	return strings.TrimSpace(query)
}

// unescape drops the backslashes of a name in a path.
func unescape(part string) string {
	var b strings.Builder
	for i := 0; i < len(part); i++ {
		if part[i] == '\\' && i+1 < len(part) {
			i++
		}
		b.WriteByte(part[i])
	}
	return b.String()
}
