package lib_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every variable that changes what tests do is in docs/contributing.md, and the page names no other.
func TestVariablesOfTestsAreDocumented(t *testing.T) {
	variable := regexp.MustCompile(`\bSESSIONTOOL_TEST_[A-Z]+\b`)
	page, err := os.ReadFile("../docs/contributing.md")
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	err = filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, err := os.ReadFile(path)
		for _, name := range variable.FindAllString(string(code), -1) {
			used[name] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	for _, name := range variable.FindAllString(string(page), -1) {
		documented[name] = true
		if !used[name] {
			t.Errorf("docs/contributing.md names %s, which no test reads", name)
		}
	}
	for name := range used {
		if !documented[name] {
			t.Errorf("docs/contributing.md lacks %s", name)
		}
	}
}
