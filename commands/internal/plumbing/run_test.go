package plumbing

import (
	"strings"
	"testing"
	"time"

	"sessiontool/commands/internal/cli/clitest"
	"sessiontool/lib/record"
)

// Proof of work: what is solved is valid, at its difficulty and not at a higher one.
func TestRunPow(t *testing.T) {
	envelope := `{"to":"05` + strings.Repeat("ab", 32) +
		`","timestamp_ms":1590000000000,"ttl_ms":3600000,"data_base64":"aGVsbG8="}`
	solver := clitest.New(t, envelope+"\n"+`{"to":"nobody"}`)
	if err := runPowSolve(t.Context(), solver.App, &powOptions{difficulty: 1}); err != nil {
		t.Fatal(err)
	}
	solved := solver.Printed(t)
	if len(solved) != 2 || solved[0].Get("nonce").Str == "" ||
		solved[1].Get("code").Str != string(record.CodeBadSessionID) {
		t.Fatalf("pow solve prints %v", solved)
	}
	if !solver.Failed() {
		t.Error("the error record does not count as a failure")
	}
	for difficulty, valid := range map[int64]bool{1: true, 1 << 40: false} {
		verifier := clitest.New(t, solved[0].Raw)
		err := runPowVerify(t.Context(), verifier.App, &powOptions{difficulty: difficulty})
		if valid && err != nil {
			t.Errorf("difficulty %d: %v", difficulty, err)
		} else if !valid {
			clitest.WantCode(t, err, record.CodeInvalidPow)
		}
		if out := verifier.Printed(t); len(out) != 1 || out[0].Get("valid").Bool() != valid {
			t.Errorf("difficulty %d: %v", difficulty, out)
		}
	}
	err := runPowVerify(t.Context(), clitest.New(t, "").App, &powOptions{difficulty: -1})
	clitest.WantCode(t, err, record.CodeUsage)
}

// Options that make no sense are refused before a keystore, a network or stdin is touched.
func TestRunRefusesOptions(t *testing.T) {
	r := clitest.New(t, "")
	r.Streams.In = clitest.Untouchable{T: t}
	ctx := t.Context()
	r.RefusesOptions(t, map[string]error{
		"swarm expire":          runSwarmExpire(ctx, r.App, &swarmExpireOptions{}),
		"swarm expire for ever": runSwarmExpire(ctx, r.App, &swarmExpireOptions{ttl: 10_000 * time.Hour}),
		"swarm map":             runSwarmMap(ctx, r.App, &swarmMapOptions{}),
		"swarm map to stdout":   runSwarmMap(ctx, r.App, &swarmMapOptions{out: "-"}),
		"onion path to nowhere": runOnionPath(ctx, r.App, &onionPathOptions{to: "node"}),
	})
}
