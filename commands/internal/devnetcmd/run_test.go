package devnetcmd

import (
	"testing"

	"sessiontool/commands/internal/cli/clitest"
	"sessiontool/lib/storage"
)

// Options that make no sense are refused before a network or stdin is touched.
func TestRunRefusesOptions(t *testing.T) {
	r := clitest.New(t, "")
	r.Streams.In = clitest.Untouchable{T: t}
	ctx := t.Context()
	r.RefusesOptions(t, map[string]error{
		"devnet difficulty 0": runDevnetDifficulty(ctx, r.App, &devnetDifficultyOptions{difficulty: "0"}),
		"node run":            runNodeRun(ctx, r.App, &nodeRunOptions{}),
	})
}

// A devnet without flags asks every client for a proof of work: storage RPC 2.8, which knows none, is served only where
// a flag says so.
func TestGenerationsOfADevnet(t *testing.T) {
	for _, test := range []struct {
		opts devnetUpOptions
		want storage.Generation
	}{
		{devnetUpOptions{difficulty: 1}, storage.Generation20},
		{devnetUpOptions{difficulty: 10}, storage.Generation20},
		{devnetUpOptions{difficulty: 1, generation: "2.8"}, storage.Generation28},
		{devnetUpOptions{difficulty: 10, generation: GenerationBoth}, ""},
		{devnetUpOptions{difficulty: 1, like: "2.8.0"}, ""}, // of the likeness
	} {
		if got := test.opts.only(); got != test.want {
			t.Errorf("%+v: %q, want %q", test.opts, got, test.want)
		}
	}
}
