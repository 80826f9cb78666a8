// Package lib_test checks the architecture: which package may import which, what the pure layer must not use, which
// dependencies go.mod may have, and that every package has a doc comment.
package lib_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// layers lists the packages, the lowest layer first. A package imports only from layers below its own, and what
// sameLayer allows. Every package may import lib/internal, whose packages import no other layer, and proto, which is
// generated.
var layers = [][]string{
	{
		"lib/x25519", "lib/sessionid", "lib/mnemonic", "lib/xeddsa", "lib/x3dh", "lib/ratchet",
		"lib/ciphertext", "lib/sealedsender", "lib/friendrequest", "lib/sealedbox", "lib/message", "lib/envelope",
		"lib/pow",
		"lib/onion", "lib/swarm", "lib/record", "lib/metrics", "lib/safetynumber", "lib/accountkeys", "lib/v2message",
		"lib/devicegroup", "lib/trace", "lib/schema", "lib/schema/infer",
		"lib/schema/schematest",
	},
	{"lib/storage", "lib/storage/tickets"},
	{"lib/storage/rpc20", "lib/storage/rpc28", "lib/storage/syncroute", "lib/storage/nodelist",
		"lib/storage/storagehttp"},
	{"lib/storage/signtext", "lib/network/latency", "lib/network/lag", "lib/network/public", "lib/network/clocks",
		"lib/network/listing"},
	{
		"lib/network", "lib/presence", "lib/wycheproof", "lib/fakeproxy", "keystore", "keystore/internal/tree",
		"lib/node", "lib/node/store", "lib/node/store/kv", "lib/node/mailbox", "lib/node/ring", "lib/node/peerhttp",
		"lib/node/replication", "lib/node/link", "lib/node/forward", "lib/node/behaviour", "lib/node/difficulty",
	},
	{"lib/account/tables", "lib/devnet/meter"},
	{"lib/account/lifetime", "lib/account/usedkeys", "lib/account/groupcommit"},
	{
		"lib/account/prekeystore", "lib/account/inbox", "lib/account/outbox", "lib/account/keyring", "lib/account/peerkeys",
		"lib/account/undecided", "lib/account/strangers", "lib/account/forgery", "lib/account/efforts",
		"lib/account/listeners", "lib/account/addressbook", "lib/account/contacts",
	},
	{"lib/account/layers", "lib/account/sessions", "lib/account/draft"},
	{"lib/account"},
	{"lib/route/mailbox", "lib/route/crowd"},
	{"lib/route", "lib/devnet"},
	{"lib/devnet/page"},
	{
		"commands/internal/picture", "commands/internal/human", "commands/internal/hook", "commands/internal/sdnotify",
		"commands/internal/progress",
	},
	{"commands/internal/tracefiles"},
	{"commands/internal/inflight"},
	{"commands/internal/cli"},
	{"commands/internal/who", "commands/internal/cli/clitest", "commands/internal/docgen", "commands/internal/render", "commands/internal/simulation"},
	{"commands/internal/drafts", "commands/internal/tracecmd"},
	{
		"commands/internal/configcmd",
		"commands/internal/contactcmd",
		"commands/internal/devnetcmd",
		"commands/internal/identitycmd",
		"commands/internal/networkcmd",
		"commands/internal/plumbing",
		"commands/internal/receivecmd",
	},
	{"commands", "commands/internal/distance", "commands/generate", "cmd/sessiontool", "lib/schema/generate"},
}

// sameLayer lists the imports within a layer. Go refuses cycles; the list keeps these imports few.
var sameLayer = map[string][]string{
	"lib/sessionid":     {"lib/x25519"},
	"lib/mnemonic":      {"lib/sessionid"},
	"lib/xeddsa":        {"lib/x25519"},
	"lib/x3dh":          {"lib/x25519", "lib/xeddsa"},
	"lib/ratchet":       {"lib/x25519", "lib/x3dh", "lib/ciphertext"},
	"lib/sealedsender":  {"lib/x25519", "lib/sessionid", "lib/ciphertext"},
	"lib/friendrequest": {"lib/x25519"},
	"lib/sealedbox":     {"lib/x25519", "lib/sessionid", "lib/xeddsa"},
	"lib/message":       {"lib/x25519", "lib/x3dh"},
	"lib/safetynumber":  {"lib/sessionid"},
	"lib/envelope":      {"lib/sessionid", "lib/ciphertext"},
	"lib/accountkeys":   {"lib/x25519", "lib/sessionid", "lib/xeddsa"},
	"lib/v2message":     {"lib/x25519", "lib/sessionid", "lib/xeddsa", "lib/accountkeys"},
	"lib/devicegroup":   {"lib/x25519", "lib/sessionid", "lib/xeddsa", "lib/accountkeys"},
	"lib/onion":         {"lib/x25519"},
	"keystore":          {"keystore/internal/tree"},
	"lib/node": {
		"lib/node/store", "lib/node/mailbox", "lib/node/ring", "lib/node/peerhttp", "lib/node/replication",
		"lib/node/link", "lib/node/forward", "lib/node/behaviour", "lib/node/difficulty",
	},
	"lib/node/behaviour":   {"lib/node/ring"},
	"lib/node/store":       {"lib/node/store/kv"},
	"lib/node/link":        {"lib/node/ring"},
	"lib/node/forward":     {"lib/node/ring", "lib/node/link"},
	"lib/node/peerhttp":    {"lib/node/ring"},
	"lib/node/replication": {"lib/node/store", "lib/node/ring", "lib/node/peerhttp"},
	"lib/account/inbox":    {"lib/account/strangers"},
	"cmd/sessiontool":      {"commands"},

	"commands/generate":     {"commands"},
	"lib/schema":            {"lib/record"},
	"lib/schema/infer":      {"lib/record"},
	"lib/schema/schematest": {"lib/record", "lib/schema"},
}

// restricted lists packages that only some folders may import, their tests included: the commands alone know records,
// so that neither the wire nor the keystore depends on what is printed.
var restricted = map[string][]string{
	"lib/record": {"commands", "lib/schema"},
	"lib/schema": {"commands", "lib/schema"},
}

// keystoreUsers are the packages that may import keystore; their tests and those of others may too.
var keystoreUsers = []string{"lib/account", "commands"}

// impure lists imports that a pure package must not have: the network, files, global randomness and logs.
var impure = []string{
	"net", "net/http", "os", "os/exec", "io/ioutil", "syscall", "crypto/rand", "math/rand", "math/rand/v2", "log",
	"log/slog",
}

// dependencies lists all modules that go.mod may require directly.
var dependencies = []string{
	"filippo.io/edwards25519", "github.com/google/jsonschema-go", "github.com/rogpeppe/go-internal",
	"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/tidwall/gjson",
	"go.etcd.io/bbolt", "golang.org/x/crypto", "golang.org/x/sys", "golang.org/x/term", "golang.org/x/time",
	"go.uber.org/goleak", "google.golang.org/protobuf", "rsc.io/qr",
}

const module = "sessiontool/"

// docs/architecture.md names every package of the layers.
func TestArchitecturePageNamesPackages(t *testing.T) {
	page, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range layers {
		for _, pkg := range layer {
			if !strings.Contains(string(page), "`"+pkg+"`") {
				t.Errorf("docs/architecture.md does not name `%s`", pkg)
			}
		}
	}
}

// source is one parsed Go file.
type source struct {
	pkg  string // folder below the module
	name string
	file *ast.File
	test bool
}

// parseSources parses all Go files of this module, once for all tests.
var parseSources = sync.OnceValues(func() (all []source, err error) {
	root := ".."
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			_, statErr := os.Stat(filepath.Join(path, "go.mod"))
			if path != root && (statErr == nil || strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
				return fs.SkipDir // another module, or no code
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(root, filepath.Dir(path))
		all = append(all, source{filepath.ToSlash(pkg), filepath.Base(path), file, strings.HasSuffix(path, "_test.go")})
		return err
	})
	return all, err
})

// sources returns all Go files of this module.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := parseSources()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("found only %d Go files: is this run in lib/?", len(all))
	}
	return all
}

func imports(t *testing.T, file *ast.File) (paths []string) {
	t.Helper()
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// layerOf returns the index of a package's layer, or -1.
func layerOf(pkg string) int {
	return slices.IndexFunc(layers, func(layer []string) bool { return slices.Contains(layer, pkg) })
}

// openToAll reports whether every package may import pkg.
func openToAll(pkg string) bool {
	return strings.HasPrefix(pkg, "lib/internal/") || pkg == "proto" || strings.HasPrefix(pkg, "proto/")
}

func TestImportsPointDown(t *testing.T) {
	for _, src := range sources(t) {
		if src.test || openToAll(src.pkg) {
			continue
		}
		layer := layerOf(src.pkg)
		if layer < 0 {
			t.Errorf("package %s is in no layer: add it to layers in this test", src.pkg)
			continue
		}
		for _, path := range imports(t, src.file) {
			imported, ours := strings.CutPrefix(path, module)
			if !ours || openToAll(imported) || slices.Contains(sameLayer[src.pkg], imported) {
				continue
			}
			if at := layerOf(imported); at < 0 || at >= layer {
				t.Errorf("%s/%s imports %s, which is not in a lower layer", src.pkg, src.name, imported)
			}
		}
	}
}

// slowImports make the program larger and its start slower, whatever is used of them: packages of templates call methods
// by name, so that the linker keeps every exported method of the program.
var slowImports = []string{"html/template", "text/template"}

func TestNoSlowImports(t *testing.T) {
	for _, src := range sources(t) {
		for _, path := range imports(t, src.file) {
			if !src.test && slices.Contains(slowImports, path) {
				t.Errorf("%s/%s imports %s", src.pkg, src.name, path)
			}
		}
	}
}

func TestRestrictedImports(t *testing.T) {
	below := func(pkg string) func(folder string) bool {
		return func(folder string) bool { return pkg == folder || strings.HasPrefix(pkg, folder+"/") }
	}
	for _, src := range sources(t) {
		for _, path := range imports(t, src.file) {
			imported, ours := strings.CutPrefix(path, module)
			if !ours {
				continue
			}
			for name, folders := range restricted {
				if below(imported)(name) && !slices.ContainsFunc(folders, below(src.pkg)) {
					t.Errorf("%s/%s imports %s, which only %v may import", src.pkg, src.name, imported, folders)
				}
			}
			if imported == "keystore" && !src.test && !slices.ContainsFunc(keystoreUsers, below(src.pkg)) {
				t.Errorf("%s/%s imports keystore, which only %v may import", src.pkg, src.name, keystoreUsers)
			}
		}
	}
}

func TestPureLayer(t *testing.T) {
	clock := regexp.MustCompile(`^(Now|Since|Until|Sleep|After|Tick|NewTimer|NewTicker|AfterFunc)$`)
	for _, src := range sources(t) {
		if src.test || layerOf(src.pkg) != 0 {
			continue
		}
		for _, path := range imports(t, src.file) {
			if slices.Contains(impure, path) {
				t.Errorf("%s/%s imports %s", src.pkg, src.name, path)
			}
		}
		ast.Inspect(src.file, func(node ast.Node) bool {
			if selector, ok := node.(*ast.SelectorExpr); ok {
				if id, ok := selector.X.(*ast.Ident); ok && id.Name == "time" && clock.MatchString(selector.Sel.Name) {
					t.Errorf("%s/%s uses time.%s", src.pkg, src.name, selector.Sel.Name)
				}
			}
			return true
		})
	}
}

// strictOnly lists what accepts keys or points of low order, or does not say so, and the only packages that may use it:
// they check for such keys. A name is that of an import, or of a function behind an import. Tests may use all of it, to
// show what it would accept.
var strictOnly = map[string][]string{
	"crypto/ed25519.Verify":            {"lib/xeddsa"},
	"crypto/ed25519.VerifyWithOptions": {"lib/xeddsa"},
	"crypto/ecdh":                      {"lib/x25519", "lib/internal/refbox"}, // refbox is for tests
	"golang.org/x/crypto/curve25519":   nil,
	"golang.org/x/crypto/ed25519":      nil,
	"golang.org/x/crypto/nacl/box":     nil,
	"golang.org/x/crypto/nacl/sign":    nil,
	"filippo.io/edwards25519":          {"lib/xeddsa", "lib/sessionid"},
	"filippo.io/edwards25519/field":    {"lib/xeddsa"},
}

// Signatures and shared secrets come from the strict functions alone: xeddsa.VerifyStrict, with those built on it, and
// x25519's DH.
func TestStrictCryptography(t *testing.T) {
	used := make(map[string]bool)
	check := func(src source, name string) {
		if allowed, ok := strictOnly[name]; ok {
			used[name] = true
			if !slices.Contains(allowed, src.pkg) {
				t.Errorf("%s/%s uses %s, which is for %v", src.pkg, src.name, name, allowed)
			}
		}
	}
	for _, src := range sources(t) {
		if src.test {
			continue
		}
		names := make(map[string]string) // of imports in this file
		for i, path := range imports(t, src.file) {
			check(src, path)
			name := path[strings.LastIndex(path, "/")+1:]
			if src.file.Imports[i].Name != nil {
				name = src.file.Imports[i].Name.Name
			}
			names[name] = path
		}
		ast.Inspect(src.file, func(node ast.Node) bool {
			if selector, ok := node.(*ast.SelectorExpr); ok {
				if id, ok := selector.X.(*ast.Ident); ok && names[id.Name] != "" {
					check(src, names[id.Name]+"."+selector.Sel.Name)
				}
			}
			return true
		})
	}
	for _, name := range []string{"crypto/ed25519.Verify", "crypto/ecdh", "filippo.io/edwards25519"} {
		if !used[name] {
			t.Errorf("%s was not found in the strict packages: this test sees nothing", name)
		}
	}
}

func TestEveryPackageHasADocComment(t *testing.T) {
	documented := make(map[string]bool)
	for _, src := range sources(t) {
		if !src.test {
			documented[src.pkg] = documented[src.pkg] || src.file.Doc != nil || strings.HasSuffix(src.name, ".pb.go")
		}
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("package %s has no doc comment", pkg)
		}
	}
}

func TestDirectDependencies(t *testing.T) {
	data, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	required := 0
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) != 2 || !strings.HasPrefix(fields[1], "v") {
			continue // not a requirement, or an indirect one
		}
		required++
		if !slices.Contains(dependencies, fields[0]) {
			t.Errorf("go.mod requires %s, which is not among the allowed dependencies", fields[0])
		}
	}
	if required == 0 {
		t.Error("no requirement found in go.mod")
	}
}

func TestTopLevel(t *testing.T) {
	allowed := []string{
		"go.mod", "go.sum", "cmd", "commands", "lib", "keystore", "proto", "scripts", "docs", "README.md", "LICENSE",
		"CHANGELOG.md",
	}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		built := name == "sessiontool" || name == "dist"
		if !strings.HasPrefix(name, ".") && !built && !slices.Contains(allowed, name) {
			t.Errorf("%s is at the top level", name)
		}
	}
}

var updateLinter = flag.Bool("update-golangci", false, "rewrite the rules of depguard in .golangci.yml")

// linterFile has the layers once more, for depguard, between these two lines.
const (
	linterFile  = "../.golangci.yml"
	linterBegin = "        # Made from lib/architecture_test.go: go test ./lib -run TestLinterKnowsTheLayers " +
		"-update-golangci\n"
	linterEnd = "        # End of what is made.\n"
)

// linterRules returns the rules of depguard that keep the layers: one for each layer that has packages above it, which
// denies those. The imports within a layer have no rule there.
func linterRules() string {
	var b strings.Builder
	for i, layer := range layers[:len(layers)-1] {
		fmt.Fprintf(&b, "        layer-%d:\n          list-mode: lax\n          files:\n            - \"!$test\"\n", i)
		for _, pkg := range layer {
			fmt.Fprintf(&b, "            - \"**/%s/*.go\"\n", pkg)
		}
		b.WriteString("          deny:\n")
		if i == 0 {
			for _, pkg := range impure {
				fmt.Fprintf(&b, "            - {pkg: %s$, desc: \"the pure layer does without it\"}\n", pkg)
			}
		}
		for _, pkg := range slices.Concat(layers[i+1:]...) {
			fmt.Fprintf(&b, "            - {pkg: %s%s$, desc: \"it is in a higher layer\"}\n", module, pkg)
		}
	}
	return b.String()
}

func TestLinterKnowsTheLayers(t *testing.T) {
	data, err := os.ReadFile(linterFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(data), linterBegin)
	rules, after, ended := strings.Cut(rest, linterEnd)
	if !begun || !ended {
		t.Fatalf("%s lacks the lines around the rules of depguard", linterFile)
	}
	if rules == linterRules() {
		return
	}
	if !*updateLinter {
		t.Fatalf("the layers in %s are not current: run go test ./lib -run TestLinterKnowsTheLayers -update-golangci",
			linterFile)
	}
	if err := os.WriteFile(linterFile, []byte(before+linterBegin+linterRules()+linterEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

const (
	// maxPackageLines bounds a package without its tests: a reader can know a package of that size.
	maxPackageLines = 4000
	// maxFileLines bounds a file, tests included.
	maxFileLines = 600
)

// No package and no file is so long that it needs a map of its own. Generated files do not count.
func TestSizes(t *testing.T) {
	lines := make(map[string]int)
	for _, src := range sources(t) {
		if ast.IsGenerated(src.file) {
			continue
		}
		data, err := os.ReadFile(filepath.Join("..", src.pkg, src.name))
		if err != nil {
			t.Fatal(err)
		}
		count := strings.Count(string(data), "\n")
		if count > maxFileLines {
			t.Errorf("%s/%s has %d lines, more than %d", src.pkg, src.name, count, maxFileLines)
		}
		if !src.test {
			lines[src.pkg] += count
		}
	}
	for pkg, count := range lines {
		if count > maxPackageLines {
			t.Errorf("package %s has %d lines without tests, more than %d", pkg, count, maxPackageLines)
		}
	}
}
