package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

const (
	testCommit  = "0123456789abcdef0123456789abcdef01234567"
	testTime    = "2026-01-02T03:04:05+01:00"
	testVersion = "0.0.0-20260102020405-0123456789ab" // what follows from the two
)

// sources copies the sources of a release to a folder without git, and returns it.
func sources(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{
		"cmd", "commands", "docs", "keystore", "lib", "proto", "scripts", "go.mod", "go.sum", "CHANGELOG.md", "LICENSE",
	} {
		from := filepath.Join("../..", name)
		info, err := os.Stat(from)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			err = os.CopyFS(filepath.Join(dir, name), os.DirFS(from))
		} else {
			var content []byte
			if content, err = os.ReadFile(from); err == nil {
				err = os.WriteFile(filepath.Join(dir, name), content, 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// releaseIn runs scripts/release on the sources in root and returns the folder of the release.
func releaseIn(t *testing.T, root, targets string) string {
	t.Helper()
	script := exec.CommandContext(t.Context(), "sh", filepath.Join(root, "scripts/release"),
		"-commit", testCommit, "-time", testTime, "-targets", targets)
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(root, "dist")
}

// A release that is made twice, in different folders, has the same bytes. By default the test makes one target, and
// both builds share Go's cache; with SESSIONTOOL_TEST_RELEASE=1 it makes all targets, and each build starts with an
// empty cache.
func TestRelease(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh")
	}
	targets, whole := "linux/amd64", os.Getenv("SESSIONTOOL_TEST_RELEASE") != ""
	if whole {
		targets = strings.Join(allTargets, ",")
	}
	var first string
	for i := range 2 {
		if whole {
			t.Setenv("GOCACHE", t.TempDir())
		}
		root := sources(t)
		out := releaseIn(t, root, targets)
		if i == 0 {
			first = out
			continue
		}
		if a, b := checksums(t, first), checksums(t, out); a != b {
			t.Errorf("the two releases differ:\n%s\n%s", a, b)
		}
	}
	name := "sessiontool-" + testVersion + "-linux-amd64"
	binary := filepath.Join(first, name)
	checkStatic(t, binary)
	checkNames(t, binary, first)
	checkVersion(t, binary)
	checkMaterials(t, binary)
	checkContainerfile(t, first)
	if runtime.GOOS == "linux" {
		checkDeb(t, filepath.Join(first, "sessiontool_0.0.0~20260102020405.0123456789ab_amd64.deb"))
	}
	if whole {
		for _, target := range allTargets {
			pattern := filepath.Join(first, "sessiontool-"+testVersion+"-"+strings.ReplaceAll(target, "/", "-")+"*")
			if found, err := filepath.Glob(pattern); err != nil || len(found) != 2 {
				t.Errorf("%s has %q, %v", target, found, err)
			}
		}
	}
}

// checksums compares the list of checksums with the files and returns it.
func checksums(t *testing.T, dir string) string {
	t.Helper()
	list, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	listed := 0
	for line := range strings.Lines(string(list)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprintf("%x", sha256.Sum256(content)) != sum {
			t.Errorf("%s has another checksum than the list", name)
		}
		listed++
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != listed+1 {
		t.Errorf("%d files are listed of %d, %v", listed, len(entries)-1, err)
	}
	return string(list)
}

// checkStatic checks that the binary needs no shared library.
func checkStatic(t *testing.T, binary string) {
	t.Helper()
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, program := range file.Progs {
		if program.Type == elf.PT_INTERP || program.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary is not static: it has %v", program.Type)
		}
	}
}

// checkNames checks that the binary names no folder of the machine.
func checkNames(t *testing.T, binary, dir string) {
	t.Helper()
	content, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	goFolders, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(strings.Fields(string(goFolders)), filepath.Dir(dir)) {
		if bytes.Contains(content, []byte(name)) {
			t.Errorf("the binary names %s", name)
		}
	}
}

// checkVersion runs the binary, if this machine can, and checks its version.
func checkVersion(t *testing.T, binary string) {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return
	}
	out, err := exec.CommandContext(t.Context(), binary, "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Type, Version, Commit, Platform string }
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if got.Type != "version" || got.Version != testVersion || got.Commit != testCommit ||
		got.Platform != "linux/amd64" {
		t.Errorf("version says %s", out)
	}
}

// checkMaterials checks that the bill of materials has every module of the binary, and the binary's hash.
func checkMaterials(t *testing.T, binary string) {
	t.Helper()
	content, err := os.ReadFile(binary + ".cdx.json")
	if err != nil {
		t.Fatal(err)
	}
	var list cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(content), cdx.BOMFileFormatJSON).Decode(&list); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	hash := cdx.Property{Name: "cdx:gomod:binary:hash:SHA-256", Value: fmt.Sprintf("%x", sha256.Sum256(program))}
	if !slices.Contains(*list.Metadata.Properties, hash) {
		t.Errorf("the bill of materials is that of another binary: %+v", *list.Metadata.Properties)
	}
	out, err := exec.CommandContext(t.Context(), "go", "version", "-m", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := make(map[string]string) // version by path
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 2 && fields[0] == "dep" {
			modules[fields[1]] = fields[2]
		}
	}
	for _, part := range *list.Components {
		if part.Name == "std" {
			continue
		}
		if modules[part.Name] != part.Version || part.PackageURL != "pkg:golang/"+part.Name+"@"+part.Version {
			t.Errorf("%+v is not in the binary", part)
		}
		delete(modules, part.Name)
	}
	if len(modules) > 0 {
		t.Errorf("%v are missing in the bill of materials", modules)
	}
	self := slices.IndexFunc(*list.Dependencies,
		func(d cdx.Dependency) bool { return d.Ref == list.Metadata.Component.BOMRef })
	if self < 0 {
		t.Fatalf("the bill of materials has no dependencies of %s", list.Metadata.Component.BOMRef)
	}
	// The generator lists the standard library as a component without an edge to it.
	if got, want := len(*(*list.Dependencies)[self].Dependencies), len(*list.Components)-1; got != want {
		t.Errorf("the program depends on %d of %d components", got, want)
	}
}

// checkContainerfile checks that the image copies a file that the release has.
func checkContainerfile(t *testing.T, dir string) {
	t.Helper()
	content, err := os.ReadFile("../Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	arguments := map[string]string{"VERSION": testVersion, "TARGETARCH": "amd64"}
	copied := regexp.MustCompile(`(?m)^COPY (\S+) `).FindAllStringSubmatch(string(content), -1)
	if len(copied) != 1 || !regexp.MustCompile(`(?m)^FROM scratch$`).Match(content) {
		t.Fatalf("the image takes %q", copied)
	}
	name := os.Expand(copied[0][1], func(argument string) string { return arguments[argument] })
	if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
		t.Error(err)
	}
}

// checkDeb installs the package in an empty root and removes it again, where there is a dpkg.
func checkDeb(t *testing.T, deb string) {
	t.Helper()
	dpkg, err := exec.LookPath("dpkg")
	if err != nil {
		t.Log("there is no dpkg: the package is not installed")
		return
	}
	command := []string{dpkg}
	if os.Geteuid() != 0 {
		fakeroot, err := exec.LookPath("fakeroot")
		if err != nil {
			t.Log("neither root nor fakeroot: the package is not installed")
			return
		}
		command = []string{fakeroot, dpkg}
	}
	root := t.TempDir()
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	do := func(args ...string) {
		t.Helper()
		all := append(command[1:],
			append([]string{"--root=" + root, "--force-not-root,bad-path,architecture"}, args...)...)
		if out, err := exec.CommandContext(t.Context(), command[0], all...).CombinedOutput(); err != nil {
			t.Fatalf("dpkg %v: %v\n%s", args, err, out)
		}
	}
	do("--install", deb)
	do("--verify", "sessiontool")
	for _, name := range []string{
		"usr/bin/sessiontool", "usr/share/man/man1/sessiontool.1.gz", "usr/share/man/man1/sessiontool-send.1.gz",
		"usr/share/man/man7/sessiontool-exit-codes.7.gz",
		"usr/share/bash-completion/completions/sessiontool", "usr/share/zsh/vendor-completions/_sessiontool",
		"usr/share/fish/vendor_completions.d/sessiontool.fish", "usr/share/doc/sessiontool/copyright",
		"usr/share/doc/sessiontool/changelog.gz", "usr/share/doc/sessiontool/examples/bot",
	} {
		if info, err := os.Stat(filepath.Join(root, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s is not installed: %v", name, err)
		}
	}
	do("--purge", "sessiontool")
	err = filepath.WalkDir(filepath.Join(root, "usr"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			t.Errorf("%s is left behind", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
