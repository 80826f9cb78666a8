package render

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/tidwall/gjson"

	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/message"
	"sessiontool/lib/record"
)

// wordsOf returns the words of all constants of one type in a file below lib.
func wordsOf(t *testing.T, file, typeName string) (words []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "../../../lib/"+file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); !ok || name.Name != typeName {
			return true
		}
		for _, value := range spec.Values {
			word, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			words = append(words, word)
		}
		return true
	})
	if len(words) < 2 {
		t.Fatalf("%s has only the constants %q of type %s", file, words, typeName)
	}
	return words
}

// Every constant of account that a record carries has its word there.
func TestEveryWordHasItsRecord(t *testing.T) {
	for _, word := range wordsOf(t, "message/route.go", "Route") {
		if routeWords[message.Route(word)] == "" {
			t.Errorf("the route %q is in no record", word)
		}
	}
	for _, word := range wordsOf(t, "account/outbox/receipt.go", "Reason") {
		if reasons[account.Reason(word)] == "" {
			t.Errorf("the reason %q is in no record", word)
		}
	}
	for _, word := range wordsOf(t, "account/outbox/receipt.go", "Warning") {
		if got := warnings[outbox.Warning(word)]; string(got) != word {
			t.Errorf("warning %s is %q in records", word, got)
		}
	}
	for _, word := range wordsOf(t, "account/inbox/event.go", "FailureCode") {
		code := failureCodes[inbox.FailureCode(word)]
		if code == "" || code.Info().Code != code {
			t.Errorf("the failure %q has no code", word)
		}
	}
	for _, word := range wordsOf(t, "account/inbox/event.go", "EventKind") {
		got := eventRecord(&account.Account{}, inbox.Event{Kind: inbox.EventKind(word)}, false)
		if name := typeOf(inbox.Event{Kind: inbox.EventKind(word)}); name != typeIn(t, got) && name != "" {
			t.Errorf("the event %q has type %q, its record %+v", word, name, got)
		}
		control, ok := got.(record.Control)
		if ok && (word != string(inbox.EventControl) || control.Type != record.TypeControl) {
			t.Errorf("the event %q has the record %+v", word, got)
		}
	}
	for kind, name := range noticeTypes {
		if noticeRecord(inbox.Event{Kind: kind}, record.Notice{Type: name}) == nil {
			t.Errorf("the event %q has no record of type %s", kind, name)
		}
	}
}

// A receipt of an earlier version may have no recipient and no nodes. Its record has the list.
func TestEmptyReceipt(t *testing.T) {
	got := Receipt(account.Receipt{})
	if got.To != "" || got.Nodes == nil || got.Type != record.TypeReceipt {
		t.Errorf("got %+v", got)
	}
}

// typeIn returns the type of a record.
func typeIn(t *testing.T, v any) string {
	t.Helper()
	line, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return gjson.GetBytes(line, "type").String()
}
