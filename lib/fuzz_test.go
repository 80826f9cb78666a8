package lib_test

import (
	"go/ast"
	"go/types"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// parserName and parserInput say which functions are parsers: those of such a name that take bytes or a text.
var (
	parserName = regexp.MustCompile(
		`^([pP]arse|[dD]ecode|[uU]npack|[uU]npad|[uU]nmarshalBinary|[rR]ead|[lL]oad)([A-Z].*)?$|` +
			`^[oO]pen(|Authenticated|Layer|Link|Proxy|Response)$`) // of ciphers, not of files
	parserInput = regexp.MustCompile(`^(\[\]byte|string|io\.Reader|\*bufio\.Reader|io\.ReaderAt|json\.RawMessage|` +
		`bencode\.Value|tree\.Head|gjson\.Result|fields|\*parameters)$`)
)

// fuzzedElsewhere lists the parsers that no fuzz target of their own package reaches: the target, of the package that
// it names, or the reason why there is none.
var fuzzedElsewhere = map[string]string{
	"lib/account/usedkeys.load":              "sealed, and it takes the name of a record",
	"lib/ratchet.ParseWitness":               "it cuts a fixed size in two",
	"lib/node/replication.parseNamesRequest": "lib/node.FuzzPeerRequests",
	"lib/onion.OpenAuthenticated":            "lib/node.FuzzOnionRequest",
	"lib/node/behaviour.OpenLayer":           "lib/node.FuzzOnionRequest",
	"lib/pow.parseTTL":                       "lib/node.FuzzStorageRPC",
	"lib/x25519.ParseEncoded":                "lib/ratchet.FuzzParseWhisperMessage",
	"lib/account/tables.Decode":              "lib/account/inbox.FuzzDecodeEvent",
	"lib/account/layers.ParsePadded":         "lib/account.FuzzReceive",
	"lib/account/contacts.Decode":            "lib/account.FuzzReceive",
	"lib/account/tables.ReadForm":            "lib/account/inbox.FuzzDecodeEvent",
	"lib/route/mailbox.readChange":           "lib/storage/rpc28.FuzzParse28",
	"lib/storage/rpc20.ParsePage":            "lib/storage.FuzzParseAnswers",
	"keystore/internal/tree.parseState":      "sealed: TestDamagedCopies damages it",
	"lib/node/store.Open":                    "it opens a folder: TestDamagedDatabases",
	"lib/node/store/kv.Open":                 "it opens files: TestDamagedCopies",
	"commands/internal/identitycmd.readSeed": "its words are lib/mnemonic's, its file is the user's own",
	"commands/internal/cli/clitest.Read":     "for tests",
	"lib/internal/clients.Read":              "for tests",
	"lib/internal/regular.Open":              "it opens a file and reads nothing",
	"lib/internal/regular.Read":              "it parses nothing",
	"lib/storage/storagehttp.Read":           "it parses nothing",
	"lib/internal/refbox.Open":               "for tests",
	"lib/internal/vectors.Load":              "for tests",
	"lib/wycheproof.Load":                    "for tests",
}

// function is one of a package.
type function struct{ pkg, name string }

// Every parser is reached from a fuzz target of its package, or it is listed with the target that reaches it. The calls
// are followed by name within the package.
func TestParsersAreFuzzed(t *testing.T) {
	parsers := make(map[string]bool)            // package and name
	calls := make(map[function]map[string]bool) // what a function names
	targets := make(map[string][]string)        // by package
	for _, src := range sources(t) {
		if strings.HasSuffix(src.name, ".pb.go") {
			continue
		}
		for _, declaration := range src.file.Decls {
			declared, ok := declaration.(*ast.FuncDecl)
			if !ok || declared.Body == nil {
				continue
			}
			name := declared.Name.Name
			switch {
			case src.test && strings.HasPrefix(name, "Fuzz"):
				targets[src.pkg] = append(targets[src.pkg], name)
			case !src.test && isParser(declared):
				parsers[src.pkg+"."+name] = true
			}
			at := function{src.pkg, name}
			if calls[at] == nil {
				calls[at] = make(map[string]bool)
			}
			ast.Inspect(declared.Body, func(node ast.Node) bool {
				if id, ok := node.(*ast.Ident); ok {
					calls[at][id.Name] = true
				}
				return true
			})
		}
	}
	reached := make(map[string]bool)
	var follow func(at function)
	follow = func(at function) {
		if key := at.pkg + "." + at.name; !reached[key] && calls[at] != nil {
			reached[key] = true
			for name := range calls[at] {
				follow(function{at.pkg, name})
			}
		}
	}
	count := 0
	for pkg, names := range targets {
		count += len(names)
		for _, name := range names {
			follow(function{pkg, name})
		}
	}
	if count < 40 || len(parsers) < 60 {
		t.Errorf("found %d targets and %d parsers: this test sees too little", count, len(parsers))
	}
	for name := range parsers {
		elsewhere, listed := fuzzedElsewhere[name]
		switch {
		case reached[name] && listed:
			t.Errorf("%s is reached in its package: strike it from fuzzedElsewhere", name)
		case !reached[name] && !listed:
			t.Errorf("no fuzz target reaches %s", name)
		}
		if pkg, target, ok := strings.Cut(elsewhere, ".Fuzz"); ok && !slices.Contains(targets[pkg], "Fuzz"+target) {
			t.Errorf("%s is said to be reached by %s, which does not exist", name, elsewhere)
		}
	}
	for name := range fuzzedElsewhere {
		if !parsers[name] {
			t.Errorf("fuzzedElsewhere lists %s, which is no parser", name)
		}
	}
}

// isParser reports whether a function has the name and an input of a parser.
func isParser(declared *ast.FuncDecl) bool {
	return parserName.MatchString(declared.Name.Name) &&
		slices.ContainsFunc(declared.Type.Params.List, func(p *ast.Field) bool {
			return parserInput.MatchString(types.ExprString(p.Type))
		})
}
