// Command mutate measures how much the tests of packages notice: it changes one operator at a time, and counts the
// changes after which the package's own tests still pass.
//
//	mutate [-check FILE] [-functions PATTERN] PACKAGE...
//
// The changes are those that other tools for Go make by default: < and > with and without equality, each comparison and
// its opposite, + and -, * and /, % and *, ++ and --, -x and x. All changes of a package are compiled into one test
// program, which makes the one that a variable of the environment names. So a change costs a run of the tests and no
// build; only those within constants need one each. Code that no test reaches is left out.
//
// A change is killed if a test fails, and hung if the tests use five times the processor time of a run without a change.
// With -check, the changes that survive must be those that FILE lists.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	check := flag.String("check", "", "fail unless this page lists exactly the changes that survive")
	root := flag.String("C", ".", "folder of the module")
	functions := flag.String("functions", "", "change only functions whose names match this regular expression")
	flag.Parse()
	if err := run(*root, *check, *functions, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// run measures packages and prints a table of them, then a row for each change that survived.
func run(root, page, functions string, patterns []string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	among, err := regexp.Compile(functions)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	packages, err := load(root, patterns)
	if err != nil {
		return err
	}
	var survivors []string
	var measured []string
	fmt.Println("| package | mutants | killed | hung | survived | score |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, p := range packages {
		p.mutants = slices.DeleteFunc(p.mutants, func(m *mutant) bool { return !among.MatchString(m.function) })
		count, err := p.measure(work)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if count.mutants() == 0 {
			continue
		}
		fmt.Printf("| `%s` | %d | %d | %d | %d | %.1f%% |\n", p.name, count.mutants(), count.killed, count.hung,
			len(count.survivors), 100*float64(count.killed+count.hung)/float64(count.mutants()))
		survivors = append(survivors, count.survivors...)
		measured = append(measured, p.name)
	}
	fmt.Println()
	for _, row := range survivors {
		fmt.Println(row)
	}
	if page == "" {
		return nil
	}
	return compare(page, measured, survivors)
}

// compare returns an error unless the page lists the survivors of the measured packages, each in a row that begins like
// the one that run prints, and no others.
func compare(page string, measured, survivors []string) error {
	data, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	var listed []string
	for line := range strings.Lines(string(data)) {
		pkg := ""
		if cells := strings.Split(line, "`"); len(cells) > 1 && strings.HasSuffix(cells[1], ".go") {
			pkg = filepath.ToSlash(filepath.Dir(cells[1]))
		}
		if slices.Contains(measured, pkg) && strings.Count(line, "|") > 3 {
			listed = append(listed, strings.TrimSpace(line))
		}
	}
	var problems []string
	for _, row := range survivors {
		i := slices.IndexFunc(listed, func(line string) bool { return strings.HasPrefix(line, row) })
		if i < 0 {
			problems = append(problems, "not listed: "+row)
			continue
		}
		listed = slices.Delete(listed, i, i+1)
	}
	for _, line := range listed {
		problems = append(problems, "killed now: "+line)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%s is not current:\n%s", page, strings.Join(problems, "\n"))
	}
	return nil
}
