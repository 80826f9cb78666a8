package commands

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sessiontool/commands/internal/docgen"
	"sessiontool/lib/record"
)

// What docs/ has of generated pages is what the program says now, and nothing else.
func TestPagesAreCurrent(t *testing.T) {
	pages, err := Pages()
	if err != nil {
		t.Fatal(err)
	}
	for name, page := range pages {
		got, err := os.ReadFile(filepath.Join("../docs", name))
		if err != nil || !bytes.Equal(got, page) {
			t.Errorf("docs/%s is not current: run go generate ./commands (%v)", name, err)
		}
	}
	for _, folder := range PageFolders {
		entries, err := os.ReadDir(filepath.Join("../docs", folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if pages[folder+"/"+entry.Name()] == nil {
				t.Errorf("docs/%s/%s belongs to no command: run go generate ./commands", folder, entry.Name())
			}
		}
	}
}

// Packages contain a man page for every command and topic, with what it must have and no request that man does not
// know, and a completion script for every shell.
func TestPackageFiles(t *testing.T) {
	files, err := PackageFiles()
	if err != nil {
		t.Fatal(err)
	}
	_, root := silent()
	commands := docgen.AllCommands(root)
	if want := len(commands) + len(docgen.Completions()); len(files) != want {
		t.Errorf("%d files, not %d", len(files), want)
	}
	request := regexp.MustCompile(`(?m)^\.(\\"|TH|SH|PP|TP|B|BR|nf|fi)( |$)`)
	for _, cmd := range commands {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		sections := []string{"NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES", "SEE ALSO"}
		if cmd.IsAdditionalHelpTopicCommand() {
			name, sections = strings.TrimSuffix(name, "1")+"7", []string{"NAME", "DESCRIPTION", "SEE ALSO"}
		}
		page := string(files["man/"+name])
		for _, section := range sections {
			if !strings.Contains(page, "\n.SH "+section+"\n") {
				t.Errorf("%s has no section %s", name, section)
			}
		}
		for line := range strings.Lines(page) {
			if (line[0] == '.' || line[0] == '\'') && !request.MatchString(line) {
				t.Errorf("%s has a line that man takes for a request: %s", name, line)
			}
		}
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash to read its script")
	}
	check := exec.CommandContext(t.Context(), bash, "-n")
	check.Stdin = bytes.NewReader(files["completions/sessiontool.bash"])
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("bash does not take its script: %v: %s", err, out)
	}
}

// Each exit code of the table is provoked by the script that is for it.
func TestEveryExitCodeIsProvoked(t *testing.T) {
	script, err := os.ReadFile("testdata/script/exitcodes.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range record.Exits {
		if !strings.Contains(string(script), fmt.Sprintf("\nexits %d ", e.Code)) {
			t.Errorf("the script provokes no exit code %d", e.Code)
		}
	}
	for _, info := range record.Codes {
		if !slices.ContainsFunc(record.Exits, func(e record.Exit) bool { return e.Code == info.Exit }) {
			t.Errorf("%s has the exit code %d, which is not in the table", info.Code, info.Exit)
		}
	}
}

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// examples returns the shell examples of a page, one after the other.
func examples(t *testing.T, page string) string {
	t.Helper()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("set -eux\n")
	for _, match := range shellBlock.FindAllStringSubmatch(string(data), -1) {
		b.WriteString(match[1])
	}
	return b.String()
}

// shells are those in which every example must run: the sh of Debian, the one that most people type into on Linux, and
// that of macOS.
var shells = []string{"dash", "bash", "zsh"}

// inShells runs a test for each shell that is there.
func inShells(t *testing.T, test func(t *testing.T, shell string)) {
	for _, name := range shells {
		t.Run(name, func(t *testing.T) {
			shell, err := exec.LookPath(name)
			if err != nil {
				t.Skipf("there is no %s", name)
			}
			t.Parallel()
			test(t, shell)
		})
	}
}

// firstShell returns the name of the first of the shells that is there.
func firstShell() string {
	for _, name := range shells {
		if _, err := exec.LookPath(name); err == nil {
			return name
		}
	}
	return ""
}

// copyExamples copies scripts/examples to a folder, for a shell in the place of /bin/sh.
func copyExamples(dir, shell string) error {
	if err := os.CopyFS(dir, os.DirFS(examplesDir)); err != nil {
		return err
	}
	scripts, err := filepath.Glob(filepath.Join(dir, "*"))
	for _, path := range scripts {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		content = bytes.Replace(content, []byte("#!/bin/sh\n"), []byte("#!"+shell+"\n"), 1)
		if err := os.WriteFile(path, content, 0o755); err != nil {
			return err
		}
	}
	return err
}

// grammar finds what shells may take differently, beyond commands, pipes and variables.
var grammar = regexp.MustCompile(`\b(for|while|until|if|case|read|trap|local|function)\b|<<|\*|\[\[|\$\{`)

// Every shell example of the README and of docs/ runs in the first shell, in the order of the page, in a home of its own
// that has scripts/examples. A page with more grammar than commands runs in the other shells, too; they read the others
// without running them, unless SESSIONTOOL_TEST_SHELLS is set.
func TestExamples(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	all, some := t.TempDir(), t.TempDir()
	everywhere := os.Getenv("SESSIONTOOL_TEST_SHELLS") != ""
	ran := 0
	for _, page := range append(pages, "../README.md") {
		script := examples(t, page)
		if !strings.Contains(script, "sessiontool") {
			continue
		}
		ran++
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		for dir, options := range map[string]string{all: "", some: "-n "} {
			if everywhere || grammar.MatchString(script) {
				options = ""
			}
			archive := "exec $EXAMPLES_SHELL " + options + "examples.sh\n-- examples.sh --\n" + script
			if err := os.WriteFile(filepath.Join(dir, name+".txtar"), []byte(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if ran == 0 {
		t.Fatal("no examples found")
	}
	first := firstShell()
	inShells(t, func(t *testing.T, shell string) {
		dir := some
		if filepath.Base(shell) == first {
			dir = all
		}
		testscript.Run(t, testscript.Params{
			Dir: dir,
			Setup: func(env *testscript.Env) error {
				env.Setenv("EXAMPLES_SHELL", shell)
				err := copyExamples(filepath.Join(env.WorkDir, "scripts", "examples"), shell)
				return errors.Join(err, scriptEnvironment(env, ""))
			},
		})
	})
}

// The README's first commands are the two that a newcomer types.
func TestReadmeStartsWithTwoCommands(t *testing.T) {
	data, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(data), "```console\n")
	block, _, _ = strings.Cut(block, "```")
	if want := "go run ./cmd/sessiontool demo\nscripts/test\n"; block != want {
		t.Errorf("the first block of the README is %q", block)
	}
}

// The demo plays its story: all lines are records, and both sides read every message.
func TestDemo(t *testing.T) {
	p := &person{t: t, home: t.TempDir()}
	out := p.must("", "demo")
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, `{"type":"`) {
			t.Errorf("a line is no record: %q", line)
		}
	}
	for _, text := range []string{
		"Hello Bob", "Hello Alice", "first", "second", "third", "And still it arrives", "Good night",
	} {
		if !strings.Contains(out, `"type":"message"`) || !strings.Contains(out, `"text":"`+text+`"`) {
			t.Errorf("no message record has %q", text)
		}
	}
}
