package lib_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// specifications is where the pages are that code cites.
const specifications = "../docs/protocol"

const (
	sectionNumber = `\d+(?:\.\d+)*`
	sectionList   = sectionNumber + `(?:(?:, and |, | and | to )` + sectionNumber + `)*`
)

var (
	// citation is the one form in which a section is cited: signal-2020.md section 5.5, storage-2.8.md sections 1 to 8.
	citation = regexp.MustCompile(`([\w.-]+\.md),? sections? (` + sectionList + `)`)
	// oldCitation names documents that were never in this repository.
	oldCitation = regexp.MustCompile(`(?i)\b(client|node|today's) notes\b`)
	// citedNumbers splits the list of a citation; to joins the ends of a range.
	citedNumbers = regexp.MustCompile(`(to )?(` + sectionNumber + `)`)
	// sectionOf is a section with what stands in front of it, if that is a page, a public document or the manual.
	sectionOf = regexp.MustCompile(`(?:(\.md|RFC \d+|FIPS [\d-]+|X3DH|XEdDSA|Double Ratchet|man),? )?\b[Ss]ections? (` +
		sectionList + `)`)
	// mention is a page of docs/protocol that is named, with or without a section.
	mention = regexp.MustCompile(`\b(?:signal|session|storage|sync)-[\w.]+\.md\b`)

	heading = regexp.MustCompile(`(?m)^#{2,6} (` + sectionNumber + `)\. .+$`)
	anchor  = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	notSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	link    = regexp.MustCompile(`\]\(([^)#: ]*)(?:#([^) ]+))?\)`)
)

// page is a specification: its section numbers in their order.
type page []string

func parsePage(text string) (p page) {
	for _, match := range heading.FindAllStringSubmatch(text, -1) {
		p = append(p, match[1])
	}
	return p
}

// anchors returns the fragments by which links reach the headings of a Markdown text.
func anchors(text string) (all []string) {
	for _, match := range anchor.FindAllStringSubmatch(text, -1) {
		slug := notSlug.ReplaceAllString(strings.ToLower(match[1]), "")
		all = append(all, strings.ReplaceAll(slug, " ", "-"))
	}
	return all
}

// checkCitations returns how often a text cites each page, and what is wrong with its citations. A section without a
// document is one of own, the page that the text is, if it is one.
func checkCitations(pages map[string]page, own page, text string) (cited map[string]int, problems []string) {
	cited = make(map[string]int)
	sections, names, notes := strings.Contains(text, "ection"), strings.Contains(text, ".md"), strings.Contains(text,
		"notes")
	if !sections && !names && !notes {
		return cited, nil // and most files need no look at each word
	}
	text = joinLines(text)
	for _, old := range findAll(notes, oldCitation, text) {
		problems = append(problems, fmt.Sprintf("%q is not in the repository: cite a page of docs/protocol", old[0]))
	}
	for _, match := range findAll(sections && names, citation, text) {
		name, sections := match[1], match[2]
		p, ok := pages[name]
		if !ok {
			problems = append(problems, fmt.Sprintf("%q: no such page in docs/protocol", match[0]))
			continue
		}
		cited[name]++
		for _, number := range citedSections(sections) {
			if !slices.Contains(p, number) {
				problems = append(problems, fmt.Sprintf("%q: %s has no section %s", match[0], name, number))
			}
		}
	}
	for _, match := range findAll(sections, sectionOf, text) {
		if match[1] != "" {
			continue
		}
		for _, number := range citedSections(match[2]) {
			if !slices.Contains(own, number) {
				problems = append(problems,
					fmt.Sprintf("%q: section %s of which page?", strings.TrimSpace(match[0]), number))
			}
		}
	}
	for _, name := range findAll(names, mention, text) {
		if _, ok := pages[name[0]]; !ok {
			problems = append(problems, fmt.Sprintf("%q: no such page in docs/protocol", name[0]))
		}
	}
	return cited, problems
}

// findAll is FindAllStringSubmatch if there can be anything to find.
func findAll(possible bool, what *regexp.Regexp, text string) [][]string {
	if !possible {
		return nil
	}
	return what.FindAllStringSubmatch(text, -1)
}

// joinLines makes one line of a text, without the marks of comments, since a citation may stand on two.
func joinLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if comment, ok := strings.CutPrefix(line, "//"); ok {
			line = strings.TrimSpace(comment)
		}
		b.WriteString(line)
		b.WriteByte(' ')
	}
	return b.String()
}

// citedSections returns all sections of a list such as "1, 2 and 5 to 7". A range goes over whole sections.
func citedSections(list string) (numbers []string) {
	for _, match := range citedNumbers.FindAllStringSubmatch(list, -1) {
		last, lastErr := strconv.Atoi(match[2])
		if match[1] != "" && len(numbers) > 0 && lastErr == nil {
			if first, err := strconv.Atoi(numbers[len(numbers)-1]); err == nil {
				for number := first + 1; number < last; number++ {
					numbers = append(numbers, strconv.Itoa(number))
				}
			}
		}
		numbers = append(numbers, match[2])
	}
	return numbers
}

// specificationPages reads all pages of docs/protocol.
func specificationPages(t *testing.T) map[string]page {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(specifications, "*.md"))
	if err != nil || len(names) < 2 {
		t.Fatalf("found %d pages in %s (%v)", len(names), specifications, err)
	}
	pages := make(map[string]page)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pages[filepath.Base(name)] = parsePage(string(text))
	}
	return pages
}

// specificationOf is the name of the page in docs/protocol that is at a path, if one is.
func specificationOf(path string) string {
	if filepath.Dir(path) != filepath.FromSlash(specifications) {
		return ""
	}
	return filepath.Base(path)
}

// eachText calls visit for every file of the repository with one of the extensions, other modules' files included.
func eachText(t *testing.T, visit func(path, text string), extensions ...string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != ".." && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir() || !slices.Contains(extensions, filepath.Ext(path)):
			return nil
		}
		text, err := os.ReadFile(path)
		if err == nil {
			visit(path, string(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever code, protos, tests and pages cite exists, and every specification is cited by code.
func TestCitationsResolve(t *testing.T) {
	pages := specificationPages(t)
	total := make(map[string]int)
	eachText(t, func(path, text string) {
		if filepath.Base(path) == "citations_test.go" {
			return // which has wrong ones
		}
		cited, problems := checkCitations(pages, pages[specificationOf(path)], text)
		for _, problem := range problems {
			t.Errorf("%s: %s", path, problem)
		}
		for name, count := range cited {
			if filepath.Ext(path) != ".md" {
				total[name] += count
			}
		}
	}, ".go", ".proto", ".md")
	for name, p := range pages {
		if len(p) > 0 && total[name] == 0 {
			t.Errorf("no code cites %s", name)
		}
	}
	if len(total) == 0 {
		t.Error("found no citation at all")
	}
}

// The sections of a page are numbered without gaps, and each number is there once.
func TestSpecificationSectionsAreNumbered(t *testing.T) {
	for name, p := range specificationPages(t) {
		for i, number := range p {
			if slices.Contains(p[:i], number) {
				t.Errorf("%s has section %s twice", name, number)
			}
			parent, last, nested := cutLast(number)
			if nested && parent != "0" && !slices.Contains(p[:i], parent) {
				t.Errorf("%s has section %s before or without section %s", name, number, parent)
			}
			if before := strings.TrimSuffix(number, last) + previous(last); last != "0" && last != "1" &&
				!slices.Contains(p[:i], before) {
				t.Errorf("%s has section %s before or without section %s", name, number, before)
			}
		}
	}
}

// cutLast splits a section number before its last part.
func cutLast(number string) (parent, last string, nested bool) {
	i := strings.LastIndexByte(number, '.')
	if i < 0 {
		return "", number, false
	}
	return number[:i], number[i+1:], true
}

func previous(last string) string {
	number, _ := strconv.Atoi(last) // matched as digits
	return strconv.Itoa(number - 1)
}

// Links of README, CHANGELOG and all pages below docs lead to files, and their fragments to headings of them.
func TestLinksResolve(t *testing.T) {
	links := 0
	eachText(t, func(path, text string) {
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			target, fragment := path, match[2]
			if match[1] != "" {
				target = filepath.Join(filepath.Dir(path), match[1])
			}
			if match[1] == "" && fragment == "" {
				continue
			}
			links++
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			if fragment == "" || filepath.Ext(target) != ".md" {
				continue
			}
			there, err := os.ReadFile(target)
			if err != nil {
				t.Errorf("%s: %v", path, err)
			} else if !slices.Contains(anchors(string(there)), fragment) {
				t.Errorf("%s: %s has no heading #%s", path, target, fragment)
			}
		}
	}, ".md")
	if links == 0 {
		t.Error("found no link at all")
	}
}

// The checks above find what they are for.
func TestCitationChecker(t *testing.T) {
	pages := map[string]page{
		"signal-2020.md": parsePage("# T\n\n## 1. One\n\n### 1.1. Part\n\n## 2. Two\n\n## 3. Three\n"),
		"storage-2.0.md": parsePage("## 1. One\n"),
	}
	own := page{"7"}
	for _, test := range []struct {
		text  string
		cited int
		wrong string // part of the problem; empty for none
	}{
		{"// see signal-2020.md section 1.1.", 1, ""},
		{"// (signal-2020.md sections 1, 2 and 3; storage-2.0.md section 1)", 2, ""},
		{"// (signal-2020.md sections 1 to 3)", 1, ""},
		{"// (signal-2020.md\n\t// section 2)", 1, ""},
		{"// (signal-2020.md section\n// 1.1: the reason)", 1, ""},
		{"no citation, RFC 7748, section 5", 0, ""},
		{"its own section 7", 0, ""},
		{"// (signal-2020.md section 1), and so is the other (section 2)", 1, "section 2 of which page"},
		{"// signal-2020.md section 4", 1, "no section 4"},
		{"// signal-2020.md section\n// 1.2", 1, "no section 1.2"},
		{"// signal-2020.md sections 1 and 9", 1, "no section 9"},
		{"// signal-2020.md sections 2 to 4", 1, "no section 4"},
		{"// storage-2.0.md sections 1 to 3", 1, "no section 2"},
		{"// wire.md section 1", 0, "no such page"},
		{"// as in storage-3.0.md", 0, "no such page"},
		{"// (client" + " notes, section 5)", 0, "not in the repository"},
		{"// (node\n// notes, section 5)", 0, "not in the repository"},
		{"// Today's" + " notes", 0, "not in the repository"},
	} {
		cited, problems := checkCitations(pages, own, test.text)
		count := 0
		for _, n := range cited {
			count += n
		}
		if count != test.cited {
			t.Errorf("%q: %d citations, want %d", test.text, count, test.cited)
		}
		switch {
		case test.wrong == "" && len(problems) > 0:
			t.Errorf("%q: %q", test.text, problems)
		case test.wrong != "" && !strings.Contains(strings.Join(problems, "\n"), test.wrong):
			t.Errorf("%q: problems %q do not say %q", test.text, problems, test.wrong)
		}
	}
	if got := anchors("## 5. Envelope\n\n### 8.4. `PUT` and x's"); !slices.Equal(got,
		[]string{"5-envelope", "84-put-and-xs"}) {
		t.Errorf("anchors are %q", got)
	}
}
