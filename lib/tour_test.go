package lib_test

import (
	"flag"
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// tourPage has the tour, which are three call paths through the code, and a table of places. A stop or place names a
// function or a type and links to its file.
const tourPage = "../docs/architecture.md"

var updateTour = flag.Bool("update-tour", false, "rewrite the links of the tour in docs/architecture.md")

var (
	tourSection = regexp.MustCompile(`(?ms)^## Call paths$(.*?)^## `)
	tourWay     = regexp.MustCompile(`(?m)^### (.+)$`)
	tourStop    = regexp.MustCompile(`(?m)^\d+\. `)
	tourLink    = regexp.MustCompile("\\[`([\\w.]+)`\\]\\(([^)]+)\\)")
)

// declaredNames returns the functions, methods and types of a parsed file, methods as Type.Method.
func declaredNames(file *ast.File) (names []string) {
	for _, declaration := range file.Decls {
		if types, ok := declaration.(*ast.GenDecl); ok {
			for _, spec := range types.Specs {
				if declared, ok := spec.(*ast.TypeSpec); ok {
					names = append(names, declared.Name.Name)
				}
			}
		}
		function, ok := declaration.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := function.Name.Name
		if function.Recv != nil {
			receiver := function.Recv.List[0].Type
			if pointer, ok := receiver.(*ast.StarExpr); ok {
				receiver = pointer.X
			}
			if id, ok := receiver.(*ast.Ident); ok {
				name = id.Name + "." + name
			}
		}
		names = append(names, name)
	}
	return names
}

// checkTour returns what is wrong with the tour and with the places that a page links to. files has what is declared,
// by the file's path from the root.
func checkTour(text string, files map[string][]string) (problems []string) {
	section := tourSection.FindStringSubmatch(text)
	if section == nil {
		return []string{"there is no section Call paths before another one"}
	}
	ways := tourWay.FindAllStringSubmatchIndex(section[1], -1)
	if len(ways) != 3 {
		problems = append(problems, fmt.Sprintf("%d ways, want 3", len(ways)))
	}
	for i, way := range ways {
		name, end := section[1][way[2]:way[3]], len(section[1])
		if i+1 < len(ways) {
			end = ways[i+1][0]
		}
		stops := tourStop.Split(section[1][way[1]:end], -1)[1:]
		if len(stops) < 3 || len(stops) > 10 {
			problems = append(problems, fmt.Sprintf("%s: %d stops, want 3 to 10", name, len(stops)))
		}
		for number, stop := range stops {
			if !tourLink.MatchString(stop) {
				problems = append(problems, fmt.Sprintf("%s: stop %d links to no function", name, number+1))
			}
		}
	}
	for _, link := range tourLink.FindAllStringSubmatch(text, -1) {
		if path := strings.TrimPrefix(link[2], "../"); !slices.Contains(files[path], link[1]) {
			problems = append(problems, fmt.Sprintf("%s has no %s%s", path, link[1], whereIs(link[1], files)))
		}
	}
	return problems
}

// whereIs names the files that declare this name, for a tour that is out of date.
func whereIs(function string, files map[string][]string) string {
	var found []string
	for path, functions := range files {
		if slices.Contains(functions, function) {
			found = append(found, path)
		}
	}
	slices.Sort(found)
	if len(found) == 0 {
		return ""
	}
	return "; it is in " + strings.Join(found, ", ")
}

// moveStops links each stop to the file that has its function, where only one file has.
func moveStops(text string, files map[string][]string) string {
	return tourLink.ReplaceAllStringFunc(text, func(link string) string {
		parts := tourLink.FindStringSubmatch(link)
		if slices.Contains(files[strings.TrimPrefix(parts[2], "../")], parts[1]) {
			return link
		}
		if path, ok := strings.CutPrefix(whereIs(parts[1], files), "; it is in "); ok && !strings.Contains(path, ",") {
			return "[`" + parts[1] + "`](../" + path + ")"
		}
		return link
	})
}

// Every stop of the tour is where the tour says. After functions have moved, -update-tour finds them.
func TestTourStops(t *testing.T) {
	files := make(map[string][]string)
	for _, src := range sources(t) {
		files[filepath.ToSlash(filepath.Join(src.pkg, src.name))] = declaredNames(src.file)
	}
	text, err := os.ReadFile(tourPage)
	if err != nil {
		t.Fatal(err)
	}
	if *updateTour {
		text = []byte(moveStops(string(text), files))
		if err := os.WriteFile(tourPage, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, problem := range checkTour(string(text), files) {
		t.Error(problem)
	}
}

// The check finds what it is for.
func TestTourChecker(t *testing.T) {
	files := map[string][]string{"a/a.go": {"run", "T.Do"}, "b/b.go": {"moved"}}
	way := "### W\n\n1. [`run`](../a/a.go) x\n2. [`T.Do`](../a/a.go) y\n3. [`run`](../a/a.go) z\n\n"
	page := func(ways ...string) string { return "# A\n\n## Call paths\n\n" + strings.Join(ways, "") + "## Next\n" }
	for _, test := range []struct{ text, wrong string }{
		{page(way, way, way), ""},
		{"# A\n\n## Next\n", "no section Call paths"},
		{page(way, way), "2 ways"},
		{page(way, way, "### W\n\n"), "0 stops"},
		{page(way, way, way+strings.Repeat("1. [`run`](../a/a.go)\n", 8)), "11 stops"},
		{page(way, way, way+"4. nothing\n"), "links to no function"},
		{page(way, way, way+"4. [`Do`](../a/a.go)\n"), "a/a.go has no Do"},
		{page(way, way, way+"4. [`moved`](../a/a.go)\n"), "it is in b/b.go"},
		{page(way, way, way+"4. [`run`](../c/c.go)\n"), "c/c.go has no run"},
		{page(way, way, way) + "\n| where | [`gone`](../a/a.go) |\n", "a/a.go has no gone"},
	} {
		problems := strings.Join(checkTour(test.text, files), "\n")
		if test.wrong == "" && problems != "" || !strings.Contains(problems, test.wrong) {
			t.Errorf("%q: problems %q, want %q", test.text, problems, test.wrong)
		}
	}
	const before, after = "[`moved`](../a/a.go) [`run`](../a/a.go)", "[`moved`](../b/b.go) [`run`](../a/a.go)"
	if got := moveStops(before, files); got != after {
		t.Errorf("moved stops are %q, want %q", got, after)
	}
}
