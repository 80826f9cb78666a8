// Package clitest lets tests call the functions runX(ctx, app, opts) of commands and read what they print.
package clitest

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

// Run is a run without a command line.
type Run struct {
	*cli.App
	Out, Err bytes.Buffer
}

// New returns a run with this stdin, a home of its own, and neither account nor network.
func New(t *testing.T, stdin string) *Run {
	t.Helper()
	r := &Run{}
	home := t.TempDir()
	r.App = cli.New(cli.Streams{
		In: strings.NewReader(stdin), Out: &r.Out, Err: &r.Err,
		Env: func(name string) string { return map[string]string{"HOME": home}[name] },
	})
	r.KeystoreDir = filepath.Join(home, "keystore")
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// Printed returns the records on stdout and forgets them.
func (r *Run) Printed(t *testing.T) (records []gjson.Result) {
	t.Helper()
	for line := range strings.Lines(r.Out.String()) {
		if !gjson.Valid(line) {
			t.Fatalf("not a record: %q", line)
		}
		records = append(records, gjson.Parse(line))
	}
	r.Out.Reset()
	return records
}

// RefusesOptions fails the test unless each error is one of usage and nothing was printed. The keys of errs say what
// the command was asked for.
func (r *Run) RefusesOptions(t *testing.T, errs map[string]error) {
	t.Helper()
	for name, err := range errs {
		if got := cli.Describe(err).Code; got != string(record.CodeUsage) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	if out := r.Printed(t); len(out) != 0 {
		t.Errorf("printed %v", out)
	}
}

// WantCode fails the test unless the error has this code.
func WantCode(t *testing.T, err error, want record.Code) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", want)
	}
	if got := cli.Describe(err).Code; got != string(want) {
		t.Errorf("%s (%v), want %s", got, err, want)
	}
}

// Untouchable is a stdin that must not be read.
type Untouchable struct{ T *testing.T }

// Read fails the test.
func (u Untouchable) Read([]byte) (int, error) {
	u.T.Error("stdin was read")
	return 0, io.EOF
}
