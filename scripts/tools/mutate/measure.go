package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pkg is a package with its mutants.
type pkg struct {
	root, dir        string // of the module, of the package
	importPath, name string // name is the path within the module
	word             string // of the package clause
	files            map[string]*source
	mutants          []*mutant
}

// source is a file with the edits that put all mutants into it.
type source struct {
	text  []byte
	edits []edit
}

func (p *pkg) readFile(path string) error {
	text, err := os.ReadFile(path)
	p.files[path] = &source{text: text}
	return err
}

// counts is the result for a package.
type counts struct {
	killed, hung int
	survivors    []string // rows of a table
}

func (c counts) mutants() int { return c.killed + c.hung + len(c.survivors) }

// measure runs the package's tests for each mutant that they reach.
func (p *pkg) measure(work string) (result counts, err error) {
	if tests, err := filepath.Glob(filepath.Join(p.dir, "*_test.go")); err != nil || len(tests) == 0 {
		return counts{}, err
	}
	covered, err := p.coverage(work)
	if err != nil {
		return counts{}, err
	}
	program := filepath.Join(work, "all.test")
	if err := p.build(work, program, nil); err != nil {
		return counts{}, err
	}
	quick, err := p.quickTests(program)
	if err != nil {
		return counts{}, err
	}
	modes := []mode{{test: quick}, {test: "."}}
	for i := range modes {
		if modes[i].cpu, modes[i].wall, err = p.limits(program, modes[i].test); err != nil {
			return counts{}, err
		}
	}
	for i, m := range p.mutants {
		fmt.Fprintf(os.Stderr, "\r%s: %d of %d ", p.name, i+1, len(p.mutants))
		if !covered(m) {
			continue
		}
		runs := program
		if m.constant != nil {
			runs = filepath.Join(work, "one.test")
			if p.build(work, runs, m) != nil {
				continue // not a program: a constant that overflows, for example
			}
		}
		switch outcome, err := p.try(runs, m, modes); {
		case err != nil:
			return counts{}, err
		case outcome == hung:
			result.hung++
		case outcome == killed:
			result.killed++
		default:
			result.survivors = append(result.survivors, p.row(m))
		}
	}
	fmt.Fprintln(os.Stderr)
	return result, nil
}

// row describes a mutant, without its line, which changes often.
func (p *pkg) row(m *mutant) string {
	escape := func(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
	return fmt.Sprintf("| `%s/%s` | `%s` | `%s` | `%s` |", p.name, filepath.Base(m.file), m.function, escape(m.from), m.to)
}

// coverage reports which mutants the package's tests reach.
func (p *pkg) coverage(work string) (func(*mutant) bool, error) {
	profile := filepath.Join(work, "cover.out")
	if out, err := p.command("go", "test", "-vet=off", "-count=1", "-coverprofile", profile, ".").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("tests fail without a change: %w\n%s", err, out)
	}
	data, err := os.ReadFile(profile)
	if err != nil {
		return nil, err
	}
	type block struct {
		file        string
		first, last int
	}
	var blocks []block
	for line := range strings.Lines(string(data)) {
		// name.go:line.column,line.column statements count
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[2] == "0" {
			continue
		}
		name, span, _ := strings.Cut(fields[0], ":")
		from, to, _ := strings.Cut(span, ",")
		first, _, _ := strings.Cut(from, ".")
		last, _, _ := strings.Cut(to, ".")
		b := block{file: filepath.Base(name)}
		if b.first, err = strconv.Atoi(first); err != nil {
			continue // the line with the mode
		}
		if b.last, err = strconv.Atoi(last); err != nil {
			return nil, err
		}
		blocks = append(blocks, b)
	}
	return func(m *mutant) bool {
		return slices.ContainsFunc(blocks, func(b block) bool {
			return b.file == filepath.Base(m.file) && b.first <= m.line && m.line <= b.last
		})
	}, nil
}

// build makes the test program with all mutants or, if one is not nil, with that change of a constant alone.
func (p *pkg) build(work, program string, one *mutant) error {
	overlay := struct{ Replace map[string]string }{make(map[string]string)}
	write := func(path string, text []byte) error {
		changed := filepath.Join(work, filepath.Base(path))
		overlay.Replace[path] = changed
		return os.WriteFile(changed, text, 0o600)
	}
	if one != nil {
		file := p.files[one.file]
		if err := write(one.file, apply(file.text, []edit{*one.constant})); err != nil {
			return err
		}
	} else {
		for path, file := range p.files {
			if err := write(path, apply(file.text, file.edits)); err != nil {
				return err
			}
		}
		if err := write(filepath.Join(p.dir, "mutate_helpers.go"), fmt.Appendf(nil, helperCode, p.word)); err != nil {
			return err
		}
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return err
	}
	names := filepath.Join(work, "overlay.json")
	if err := os.WriteFile(names, list, 0o600); err != nil {
		return err
	}
	out, err := p.command("go", "test", "-vet=off", "-c", "-overlay", names, "-o", program, ".").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

func (p *pkg) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = p.dir
	return cmd
}

// mode is a run of those tests whose names match test. It is bounded in seconds of processor time, and in time.
type mode struct {
	test string
	cpu  int
	wall time.Duration
}

// quickTests returns a pattern for the tests that are quick: all that together take at most a tenth of the time of all.
// They are enough for most mutants.
func (p *pkg) quickTests(program string) (string, error) {
	out, err := p.command(program, "-test.v").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("the tests fail without a change: %w\n%s", err, out)
	}
	type test struct {
		name string
		took float64
	}
	var tests []test
	total := 0.0
	for _, match := range passed.FindAllSubmatch(out, -1) {
		took, err := strconv.ParseFloat(string(match[2]), 64)
		if err != nil {
			return "", err
		}
		tests = append(tests, test{string(match[1]), took})
		total += took
	}
	slices.SortStableFunc(tests, func(x, y test) int { return cmp.Compare(x.took, y.took) })
	var names []string
	sum := 0.0
	for _, one := range tests {
		if sum += one.took; sum <= total/10 {
			names = append(names, one.name)
		}
	}
	return "^(" + strings.Join(names, "|") + ")$", nil
}

// passed finds the tests, examples and fuzz targets that passed, with their times.
var passed = regexp.MustCompile(`(?m)^--- PASS: (\w+) \(([0-9.]+)s\)$`)

// limits runs the tests without a change, and returns the bounds for runs with one.
func (p *pkg) limits(program, test string) (cpu int, wall time.Duration, err error) {
	cmd := p.command(program, "-test.run", test)
	started := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, 0, fmt.Errorf("the tests fail without a change: %w\n%s", err, out)
	}
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return 2 + int(math.Ceil(5*used.Seconds())), 5*time.Minute + 20*time.Since(started), nil
}

// outcome is what the tests say of a mutant.
type outcome int

const (
	survived outcome = iota
	killed
	hung
)

// try runs the tests for a mutant.
func (p *pkg) try(program string, m *mutant, modes []mode) (outcome, error) {
	for _, one := range modes {
		if got, err := p.runOnce(program, m, one); err != nil || got != survived {
			return got, err
		}
	}
	return survived, nil
}

func (p *pkg) runOnce(program string, m *mutant, bounds mode) (outcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), bounds.wall)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", `ulimit -t "$1"; shift; exec "$@"`, "mutate", strconv.Itoa(bounds.cpu),
		program, "-test.failfast", "-test.run", bounds.test)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "MUTANT="+strconv.Itoa(m.id))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return survived, nil
	case ctx.Err() != nil:
		return hung, nil
	case !errors.As(err, &exit):
		return survived, err
	case exit.ExitCode() < 0: // a signal: the limit of processor time
		return hung, nil
	}
	return killed, nil
}
