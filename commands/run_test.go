package commands

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

// testRun is a run without a command line: a test calls runX(ctx, app, opts) and reads what it prints.
type testRun struct {
	*cli.App
	out, err bytes.Buffer
}

// newTestRun returns a run with this stdin, a home of its own, and neither account nor network.
func newTestRun(t *testing.T, stdin string) *testRun {
	t.Helper()
	r := &testRun{}
	home := t.TempDir()
	r.App = cli.New(cli.Streams{
		In: strings.NewReader(stdin), Out: &r.out, Err: &r.err,
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

// printed returns the records on stdout and forgets them.
func (r *testRun) printed(t *testing.T) (records []gjson.Result) {
	t.Helper()
	for line := range strings.Lines(r.out.String()) {
		if !gjson.Valid(line) {
			t.Fatalf("not a record: %q", line)
		}
		records = append(records, gjson.Parse(line))
	}
	r.out.Reset()
	return records
}

// wantCode fails the test unless the error has this code.
func wantCode(t *testing.T, err error, want record.Code) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", want)
	}
	if got := cli.Describe(err).Code; got != string(want) {
		t.Errorf("%s (%v), want %s", got, err, want)
	}
}

// An account is made, shown, exported and restored with the same identity.
func TestRunAccount(t *testing.T) {
	r := newTestRun(t, "")
	wantCode(t, runIdentityShow(t.Context(), r.App, &identityShowOptions{}), record.CodeKeystoreNotFound)
	if err := runKeygen(t.Context(), r.App, &keygenOptions{displayName: "Alice"}); err != nil {
		t.Fatal(err)
	}
	made := r.printed(t)
	if len(made) != 1 || made[0].Get("display_name").Str != "Alice" || made[0].Get("mnemonic").Exists() {
		t.Fatalf("keygen prints %v", made)
	}
	if err := runIdentityShow(t.Context(), r.App, &identityShowOptions{qr: true}); err != nil {
		t.Fatal(err)
	}
	if shown := r.printed(t); len(shown) != 1 || shown[0].Raw != made[0].Raw {
		t.Errorf("identity show prints %v, keygen %v", shown, made)
	}
	if !strings.Contains(r.err.String(), "█") {
		t.Errorf("there is no QR code on stderr: %q", r.err.String())
	}
	if err := runIdentityExport(t.Context(), r.App, &identityExportOptions{}); err != nil {
		t.Fatal(err)
	}
	words := r.printed(t)[0].Get("mnemonic").Str

	again := newTestRun(t, words)
	if err := runKeygen(t.Context(), again.App, &keygenOptions{mnemonicFile: "-"}); err != nil {
		t.Fatal(err)
	}
	restored := again.printed(t)
	if len(restored) != 1 || restored[0].Get("session_id").Str != made[0].Get("session_id").Str {
		t.Errorf("restored as %v, made as %v", restored, made)
	}
	wantCode(t, runIdentityRemove(t.Context(), again.App, &identityRemoveOptions{}), record.CodeUsage)
	if err := runIdentityRemove(t.Context(), again.App, &identityRemoveOptions{yes: true}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, runIdentityShow(t.Context(), again.App, &identityShowOptions{}), record.CodeAccountNotFound)
}

// A file for a QR code must be a picture of a known format; nothing is printed otherwise.
func TestRunIdentityShowFormat(t *testing.T) {
	r := newTestRun(t, "")
	if err := runKeygen(t.Context(), r.App, &keygenOptions{}); err != nil {
		t.Fatal(err)
	}
	r.printed(t)
	wantCode(t, runIdentityShow(t.Context(), r.App, &identityShowOptions{qrFile: "alice.gif"}), record.CodeUsage)
	if printed := r.printed(t); len(printed) != 0 {
		t.Errorf("printed %v", printed)
	}
}

// Proof of work: what is solved is valid, at its difficulty and not at a higher one.
func TestRunPow(t *testing.T) {
	envelope := `{"to":"05` + strings.Repeat("ab", 32) + `","timestamp_ms":1590000000000,"ttl_ms":3600000,"data_base64":"aGVsbG8="}`
	solver := newTestRun(t, envelope+"\n"+`{"to":"nobody"}`)
	if err := runPowSolve(t.Context(), solver.App, &powOptions{difficulty: 1}); err != nil {
		t.Fatal(err)
	}
	solved := solver.printed(t)
	if len(solved) != 2 || solved[0].Get("nonce").Str == "" || solved[1].Get("code").Str != string(record.CodeBadSessionID) {
		t.Fatalf("pow solve prints %v", solved)
	}
	if !solver.Failed() {
		t.Error("the error record does not count as a failure")
	}
	for difficulty, valid := range map[int64]bool{1: true, 1 << 40: false} {
		verifier := newTestRun(t, solved[0].Raw)
		err := runPowVerify(t.Context(), verifier.App, &powOptions{difficulty: difficulty})
		if valid && err != nil {
			t.Errorf("difficulty %d: %v", difficulty, err)
		} else if !valid {
			wantCode(t, err, record.CodeInvalidPow)
		}
		if out := verifier.printed(t); len(out) != 1 || out[0].Get("valid").Bool() != valid {
			t.Errorf("difficulty %d: %v", difficulty, out)
		}
	}
	wantCode(t, runPowVerify(t.Context(), newTestRun(t, "").App, &powOptions{difficulty: -1}), record.CodeUsage)
}

// Options that make no sense are refused before a keystore, a network or stdin is touched.
func TestRunRefusesOptions(t *testing.T) {
	r := newTestRun(t, "")
	r.Streams.In = untouchable{t}
	ctx := t.Context()
	for name, err := range map[string]error{
		"inbox --limit 0":       runInbox(ctx, r.App, &inboxOptions{}),
		"swarm expire":          runSwarmExpire(ctx, r.App, &swarmExpireOptions{}),
		"swarm expire for ever": runSwarmExpire(ctx, r.App, &swarmExpireOptions{ttl: 10_000 * time.Hour}),
		"swarm map":             runSwarmMap(ctx, r.App, &swarmMapOptions{}),
		"swarm map to stdout":   runSwarmMap(ctx, r.App, &swarmMapOptions{out: "-"}),
		"prekey bundle":         runPrekeyBundle(ctx, r.App, &prekeyBundleOptions{}),
		"onion path to nowhere": runOnionPath(ctx, r.App, &onionPathOptions{to: "node"}),
		"identity passphrase":   runIdentityPassphrase(ctx, r.App, &identityPassphraseOptions{}),
		"devnet difficulty 0":   runDevnetDifficulty(ctx, r.App, &devnetDifficultyOptions{difficulty: "0"}),
		"node run":              runNodeRun(ctx, r.App, &nodeRunOptions{}),
		"schema of nothing":     runSchema(ctx, r.App, &schemaOptions{names: []string{"nothing"}}),
		"errors of nothing":     runErrors(ctx, r.App, &errorsOptions{names: []string{"nothing"}}),
	} {
		if got := cli.Describe(err).Code; got != string(record.CodeUsage) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	if out := r.printed(t); len(out) != 0 {
		t.Errorf("printed %v", out)
	}
}

// errors prints one record for a code, and all codes of an exit status.
func TestRunErrors(t *testing.T) {
	r := newTestRun(t, "")
	if err := runErrors(t.Context(), r.App, &errorsOptions{names: []string{"not_stored"}}); err != nil {
		t.Fatal(err)
	}
	out := r.printed(t)
	if len(out) != 1 || out[0].Get("exit_code").Int() != record.ExitTemporary || !out[0].Get("retryable").Bool() {
		t.Errorf("not_stored is %v", out)
	}
	if err := runErrors(t.Context(), r.App, &errorsOptions{names: []string{"7"}}); err != nil {
		t.Fatal(err)
	}
	for _, code := range r.printed(t) {
		if code.Get("exit_code").Int() != record.ExitAuth {
			t.Errorf("exit status 7 has %v", code)
		}
	}
}

// An output that fails is an error of the command, whatever the command is.
func TestRunReportsFailingOutput(t *testing.T) {
	r := newTestRun(t, "")
	app := cli.New(cli.Streams{In: untouchable{t}, Out: brokenPipe{}, Err: io.Discard, Env: r.Streams.Env})
	wantCode(t, runVersion(app), record.CodeOutputClosed)
	wantCode(t, runErrors(t.Context(), app, &errorsOptions{}), record.CodeOutputClosed)
	var made json.RawMessage
	if err := runSchema(t.Context(), r.App, &schemaOptions{names: []string{"draft"}}); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(r.printed(t)[0].Get("schema").Raw), &made); err != nil {
		t.Error(err)
	}
}

// brokenPipe is a stdout whose reader went away.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }
