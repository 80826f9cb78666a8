package commands

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
	"sessiontool/lib/schema/schematest"
)

// complaints names the variable with the file in which runs of sessiontool that broke their specification are noted.
const complaints = "SESSIONTOOL_TEST_COMPLAINTS"

// observed is a test run that checks what its processes print against the specifications. It fails if anything was not
// as specified, even if no test failed.
type observed struct{ *testing.M }

// Run implements testscript.TestingM.
func (o observed) Run() int {
	if signal.Ignored(syscall.SIGHUP) { // as under nohup; the processes of the tests would ignore it, too
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	dir, err := os.MkdirTemp("", "sessiontool-complaints-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir) // a leftover does no harm
	path := filepath.Join(dir, "complaints")
	if err := os.Setenv(complaints, path); err != nil {
		panic(err)
	}
	code := o.M.Run()
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return code
	}
	fmt.Printf("FAIL: commands broke their specification:\n%s%v\n", text, err)
	return 1
}

// observeProcess is observe for the process of a test run.
func observeProcess(args []string, streams *cli.Streams) (ended func(code int)) {
	path := os.Getenv(complaints)
	if path == "" {
		panic(complaints + " is not set: who runs this must hand it down")
	}
	return observe(args, streams, func(complaint string) {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = fmt.Fprintf(file, "sessiontool %s: %s\n", strings.Join(args, " "), complaint)
		}
		if err = errors.Join(err, file.Close()); err != nil {
			panic(err)
		}
	})
}

// observe checks what a run prints on stdout and as errors on stderr against the schemas, and its exit code and the
// types of its records against the specification of the command.
func observe(args []string, streams *cli.Streams, complain func(string)) (ended func(code int)) {
	app := cli.New(cli.Streams{})
	cmd, _, err := newRootCommand(app, nil).Find(args)
	if err != nil {
		cmd = &cobra.Command{}
	}
	spec := app.SpecOf(cmd)
	check := &checkedWriter{complain: complain, kinds: append(spec.Kinds(), record.TypeError)}
	problems := *check
	check.out, problems.out = streams.Out, streams.Err
	problems.isStderr = true
	if !printsText(args) {
		streams.Out = check
	}
	streams.Err = &problems
	return func(code int) {
		known := slices.Clone(cli.ExitsEverywhere)
		for _, e := range spec.ExitList() {
			known = append(known, e.Code)
		}
		if !slices.Contains(known, code) {
			complain(fmt.Sprintf("exit code %d is not documented", code))
		}
	}
}

// printsText reports whether a command line asks for something else than records: what --select selects, help, a
// script for a shell, or a backup.
func printsText(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		return arg == "--backup" && slices.Contains(args, "-") || strings.HasPrefix(arg, "--select") ||
			arg == "--help" || arg == "-h" || arg == "human" || os.Getenv("SESSIONTOOL_OUTPUT") == "human"
	}) || len(args) > 0 && (args[0] == "help" || args[0] == "guide" || args[0] == "completion" || strings.HasPrefix(args[0], "__complete"))
}

// checkedWriter checks records on their way. A record is a single write, or several full parts that a pipe takes without
// blocking and the rest. On stderr there are other lines, too.
type checkedWriter struct {
	out      io.Writer
	isStderr bool
	kinds    []string
	checker  schematest.Checker
	complain func(string)
	begun    []byte // parts of a record that go on
}

// pipePart is the size of those parts.
const pipePart = 4096

// Write implements io.Writer.
func (w *checkedWriter) Write(data []byte) (int, error) {
	w.check(data)
	return w.out.Write(data)
}

func (w *checkedWriter) check(data []byte) {
	part := len(data) == pipePart
	if data = append(w.begun, data...); part && !bytes.HasSuffix(data, []byte("\n")) {
		w.begun = data
		return
	}
	w.begun = nil
	if !w.isStderr || bytes.HasPrefix(data, []byte(`{"type":`)) {
		decoder := json.NewDecoder(bytes.NewReader(data))
		for decoder.More() {
			var line json.RawMessage
			if err := decoder.Decode(&line); err != nil {
				w.complain(fmt.Sprintf("%v: %.300s", err, data))
				break
			}
			name, err := w.checker.Check(line)
			if err != nil {
				w.complain(fmt.Sprintf("%v: %.1000s", err, line))
			} else if !slices.Contains(w.kinds, name) {
				w.complain(fmt.Sprintf("prints a %s record, which its specification does not name", name))
			}
		}
		if !bytes.HasSuffix(data, []byte("\n")) {
			w.complain(fmt.Sprintf("writes a part of a line: %.300q", data))
		}
	}
}

// The observer itself: it lets good records pass and complains of everything else.
func TestObserver(t *testing.T) {
	const (
		incomplete = `{"type":"error_code","code":"timeout","exit_code":8}`
		meaning    = `{"type":"error_code","code":"timeout","exit_code":8,"retryable":true,"meaning":"m","hint":"h"}`
		removed    = `{"type":"removed","kind":"account","account":"a","session_id":""}`
	)
	for what, test := range map[string]struct {
		args, out, problem string
		code               int
		bad                bool
	}{
		"a record":             {"errors timeout", meaning + "\n", "", 0, false},
		"another record":       {"errors timeout", removed + "\n", "", 0, true},
		"a field is missing":   {"errors timeout", incomplete + "\n", "", 0, true},
		"text":                 {"errors timeout", "hello\n", "", 0, true},
		"half a line":          {"errors timeout", meaning, "", 0, true},
		"selected":             {"errors --select hint", "hello\n", "", 0, false},
		"documented exit":      {"poll", "", "", 9, false},
		"undocumented exit":    {"version", "", "", 9, true},
		"a log on stderr":      {"poll", "", "level=INFO\n", 0, false},
		"a bad error on error": {"poll", "", `{"type":"error","code":"x"}` + "\n", 1, true},
	} {
		var found []string
		streams := cli.Streams{Out: io.Discard, Err: io.Discard}
		complain := func(complaint string) { found = append(found, complaint) }
		ended := observe(strings.Fields(test.args), &streams, complain)
		for _, write := range []struct {
			out  io.Writer
			text string
		}{{streams.Out, test.out}, {streams.Err, test.problem}} {
			if write.text == "" {
				continue
			}
			if _, err := io.WriteString(write.out, write.text); err != nil {
				t.Fatal(err)
			}
		}
		ended(test.code)
		if (len(found) > 0) != test.bad {
			t.Errorf("%s: complaints %q", what, found)
		}
	}
}
