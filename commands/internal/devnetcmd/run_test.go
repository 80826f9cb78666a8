package devnetcmd

import (
	"testing"

	"sessiontool/commands/internal/cli/clitest"
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
