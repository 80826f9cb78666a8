package schematest

import (
	"encoding/json"
	"strings"
	"testing"

	"sessiontool/lib/record"
)

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
