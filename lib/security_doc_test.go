package lib_test

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that the threat model in docs/security.md names exists, and every cell says whether the property holds.
func TestThreatModelNamesTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "## Threat model")
	if !found {
		t.Fatal("there is no threat model")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	all, err := parseSources()
	if err != nil {
		t.Fatal(err)
	}
	tests := make(map[string]bool)
	for _, source := range all {
		for _, declaration := range source.file.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok && source.test {
				tests[function.Name.Name] = true
			}
		}
	}
	names := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Za-z0-9_]+)`").FindAllStringSubmatch(section, -1)
	if len(names) < 20 {
		t.Errorf("the threat model names %d tests", len(names))
	}
	for _, name := range names {
		if !tests[name[1]] {
			t.Errorf("the threat model names %s, which does not exist", name[1])
		}
	}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || strings.HasPrefix(line, "| attacker") {
			continue
		}
		if len(cells) != 5 {
			t.Errorf("a row has %d cells: %s", len(cells), line)
		}
		for _, cell := range cells[1:] {
			cell = strings.ToLower(strings.TrimSpace(cell))
			if !strings.HasPrefix(cell, "holds") && !strings.HasPrefix(cell, "does not") &&
				!strings.HasPrefix(cell, "see the other rows") {
				t.Errorf("a cell says neither that it holds nor that it does not: %s", cell)
			}
		}
	}
}
