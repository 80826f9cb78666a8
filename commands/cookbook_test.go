package commands

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	examplesDir = "../scripts/examples"
	cookbook    = "../docs/cookbook.md"
)

var updateCookbook = flag.Bool("update-cookbook", false, "rewrite what docs/cookbook.md shows of scripts/examples")

// exampleFiles are the names of all files of scripts/examples. Scripts can be executed, and units have an ending.
func exampleFiles(t *testing.T) (scripts, units []string) {
	t.Helper()
	entries, err := os.ReadDir(examplesDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) == "" {
			scripts = append(scripts, entry.Name())
		} else {
			units = append(units, entry.Name())
		}
	}
	if len(scripts) == 0 || len(units) == 0 {
		t.Fatalf("scripts %q, units %q", scripts, units)
	}
	return scripts, units
}

// shown finds where the cookbook shows an example: a comment that names it, and the block that follows if it was filled
// in already.
var shown = regexp.MustCompile("(?s)<!-- scripts/examples/(\\S+) -->\n(?:\n```(?:shell|ini)\n.*?\n```\n)?")

// The cookbook shows every example as it is.
func TestCookbookShowsExamples(t *testing.T) {
	page, err := os.ReadFile(cookbook)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	want := shown.ReplaceAllFunc(page, func(match []byte) []byte {
		name := string(shown.FindSubmatch(match)[1])
		seen[name] = true
		content, err := os.ReadFile(filepath.Join(examplesDir, name))
		if err != nil {
			t.Fatal(err)
		}
		language := "shell"
		if filepath.Ext(name) != "" {
			language = "ini"
		}
		return []byte("<!-- scripts/examples/" + name + " -->\n\n```" + language + "\n" + string(content) + "```\n")
	})
	if *updateCookbook {
		if err := os.WriteFile(cookbook, want, 0o644); err != nil {
			t.Fatal(err)
		}
		page = want
	}
	if !bytes.Equal(page, want) {
		t.Errorf("%s is not what scripts/examples has: run go test ./commands -run TestCookbookShowsExamples "+
			"-update-cookbook", cookbook)
	}
	scripts, units := exampleFiles(t)
	for _, name := range append(scripts, units...) {
		if !seen[name] {
			t.Errorf("the cookbook does not show %s", name)
		}
	}
}

// Every script of scripts/examples is run by TestExamples, in a block of the cookbook, and starts what it says.
func TestEveryExampleRuns(t *testing.T) {
	blocks := examples(t, cookbook)
	scripts, _ := exampleFiles(t)
	for _, name := range scripts {
		if !strings.Contains(blocks, "scripts/examples/"+name) {
			t.Errorf("the cookbook does not run %s", name)
		}
		content, err := os.ReadFile(filepath.Join(examplesDir, name))
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(examplesDir, name))
		if err != nil || info.Mode()&0o111 == 0 || !strings.HasPrefix(string(content), "#!/bin/sh\n") {
			t.Errorf("%s cannot be run: %v", name, err)
		}
	}
}

// Units are what systemd takes without a word, and what they start is an example too, where they expect it.
func TestUnits(t *testing.T) {
	const expected = "/usr/local/bin"
	systemd, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd")
	}
	here, err := filepath.Abs(examplesDir)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, units := exampleFiles(t)
	for _, name := range units {
		content, err := os.ReadFile(filepath.Join(examplesDir, name))
		if err != nil {
			t.Fatal(err)
		}
		placed := strings.ReplaceAll(string(content), expected, here)
		if strings.HasSuffix(name, ".service") && placed == string(content) {
			t.Errorf("%s starts nothing in %s", name, expected)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(placed), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range units {
		verify := exec.CommandContext(t.Context(), systemd, "verify", "--man=no", filepath.Join(dir, name))
		out, err := verify.CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}
