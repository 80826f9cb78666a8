package commands

import (
	"encoding/json"
	"io"
	"syscall"
	"testing"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/cli/clitest"
	"sessiontool/lib/record"
)

// Options that make no sense are refused before a keystore, a network or stdin is touched.
func TestRunRefusesOptions(t *testing.T) {
	r := clitest.New(t, "")
	r.Streams.In = clitest.Untouchable{T: t}
	ctx := t.Context()
	r.RefusesOptions(t, map[string]error{
		"inbox --limit -1":  runInbox(ctx, r.App, &inboxOptions{limit: -1}),
		"schema of nothing": runSchema(r.App, &schemaOptions{names: []string{"nothing"}}),
		"errors of nothing": runErrors(r.App, &errorsOptions{names: []string{"nothing"}}),
	})
}

// errors prints one record for a code, and all codes of an exit status.
func TestRunErrors(t *testing.T) {
	r := clitest.New(t, "")
	if err := runErrors(r.App, &errorsOptions{names: []string{"not_stored"}}); err != nil {
		t.Fatal(err)
	}
	out := r.Printed(t)
	if len(out) != 1 || out[0].Get("exit_code").Int() != record.ExitTemporary || !out[0].Get("retryable").Bool() {
		t.Errorf("not_stored is %v", out)
	}
	if err := runErrors(r.App, &errorsOptions{names: []string{"7"}}); err != nil {
		t.Fatal(err)
	}
	for _, code := range r.Printed(t) {
		if code.Get("exit_code").Int() != record.ExitAuth {
			t.Errorf("exit status 7 has %v", code)
		}
	}
}

// An output that fails is an error of the command, whatever the command is.
func TestRunReportsFailingOutput(t *testing.T) {
	r := clitest.New(t, "")
	app := cli.New(cli.Streams{In: clitest.Untouchable{T: t}, Out: brokenPipe{}, Err: io.Discard, Env: r.Streams.Env})
	clitest.WantCode(t, runVersion(app), record.CodeOutputClosed)
	clitest.WantCode(t, runErrors(app, &errorsOptions{}), record.CodeOutputClosed)
	var made json.RawMessage
	if err := runSchema(r.App, &schemaOptions{names: []string{"draft"}}); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(r.Printed(t)[0].Get("schema").Raw), &made); err != nil {
		t.Error(err)
	}
}

// brokenPipe is a stdout whose reader went away.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }
