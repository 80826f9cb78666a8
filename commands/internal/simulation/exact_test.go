//go:build unix

package simulation

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// root is the folder of the module.
const root = "../../.."

// edit replaces a text that is in a file once.
type edit struct{ file, old, new string }

// exactEdits make the Go runtime run the goroutines of a synctest bubble in the same order each time, as long as
// GOMAXPROCS is 1: they take its random numbers from the bubble and not from the thread, give the hashes of maps a fixed
// seed, and keep the monitor of the scheduler from interrupting goroutines and system calls that take long.
// They include [costEdits].
func exactEdits(t *testing.T) []edit {
	t.Helper()
	goroot, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	source := func(path string) string { return filepath.Join(strings.TrimSpace(string(goroot)), "src", path) }
	file := func(name string) string { return source("runtime/" + name) }
	return append(costEdits(source), []edit{
		{"commands/internal/simulation/simulate_test.go", "const hasExactOrder = false\n", "const hasExactOrder = true\n"},
		{file("synctest.go"), "type synctestBubble struct {\n", "type synctestBubble struct {\n\trandState uint64\n"},
		{
			file("rand.go"), "func rand() uint64 {\n",
			"func bubbleRand(b *synctestBubble) uint64 {\n" +
				"\tb.randState += 0xa0761d6478bd642f\n" +
				"\thi, lo := math.Mul64(b.randState, b.randState^0xe7037ed1a0b428db)\n" +
				"\treturn hi ^ lo\n}\n\n" +
				"func rand() uint64 {\n\tif b := getg().bubble; b != nil {\n\t\treturn bubbleRand(b)\n\t}\n",
		},
		{
			file("rand.go"), "\tif len(startupRand) >= 16 &&\n",
			"\tif true {\n\t\t// The seed is zero.\n\t} else if len(startupRand) >= 16 &&\n",
		},
		{
			file("select.go"), "\t\tj := cheaprandn(uint32(norder + 1))\n",
			"\t\tj := uint32(0)\n\t\tif b := getg().bubble; b != nil {\n\t\t\tj = uint32(bubbleRand(b) % uint64(norder+1))\n" +
				"\t\t} else {\n\t\t\tj = cheaprandn(uint32(norder + 1))\n\t\t}\n",
		},
		{
			file("sema.go"), "\ts.ticket = cheaprand() | 1\n",
			"\tif b := getg().bubble; b != nil {\n\t\ts.ticket = uint32(bubbleRand(b)) | 1\n\t} else {\n" +
				"\t\ts.ticket = cheaprand() | 1\n\t}\n",
		},
		{file("time.go"), "\t\t\tt.rand = cheaprand()\n", "\t\t\tt.rand = 0\n"},
		{
			file("proc.go"), "if pp.schedtick%61 == 0 && !sched.runq.empty() {",
			"if gomaxprocs != 1 && pp.schedtick%61 == 0 && !sched.runq.empty() {",
		},
		{source("internal/sync/mutex.go"), "\tstarvationThresholdNs = 1e6\n", "\tstarvationThresholdNs = 1 << 62\n"},
		{
			file("proc.go"), "func retake(now int64) uint32 {\n",
			"func retake(now int64) uint32 {\n\tif gomaxprocs == 1 {\n\t\treturn 0\n\t}\n",
		},
	}...)
}

// applied returns the contents of files after edits, by path. A text that is in its file more than once or never is an
// error.
func applied(edits []edit) (map[string]string, error) {
	changed := make(map[string]string)
	for _, e := range edits {
		path := e.file
		if !filepath.IsAbs(path) {
			path = filepath.Join(root, path)
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		text, known := changed[path]
		if !known {
			source, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			text = string(source)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return nil, fmt.Errorf("%s has %d times the text %q", e.file, n, e.old)
		}
		changed[path] = strings.Replace(text, e.old, e.new, 1)
	}
	return changed, nil
}

// buildWith compiles the tests of this package with edits of the sources, and returns the program: a temporary file.
func buildWith(t *testing.T, edits []edit) (program string) {
	return buildAt(t, edits, filepath.Join(t.TempDir(), "simulation.test"))
}

// buildAt is buildWith for a program that is kept.
func buildAt(t *testing.T, edits []edit, program string) string {
	t.Helper()
	changed, err := applied(edits)
	if err != nil {
		t.Fatal(err)
	}
	dir, replaced := t.TempDir(), make(map[string]string)
	for path, text := range changed {
		replaced[path] = filepath.Join(dir, fmt.Sprint(len(replaced), "-", filepath.Base(path)))
		if err := os.WriteFile(replaced[path], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-trimpath", "-overlay", overlay, "-o", program, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, output)
	}
	return program
}
