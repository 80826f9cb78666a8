package commands

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet"
	"sessiontool/lib/network"
)

// The scripts run this test binary as sessiontool, against a devnet in the test process.
// scriptPrograms are the programs that scripts run.
var scriptPrograms = map[string]func(){"sessiontool": sessiontool, "bridge": bridgeToProxy}

func TestMain(m *testing.M) {
	testscript.Main(observed{m}, scriptPrograms)
}

// clockOffset names the environment variable that sets the clock of a process wrong, by a duration.
const clockOffset = "TEST_CLOCK_OFFSET"

// lateAfter names the environment variable that says after what time at the earliest a process takes an answer for late,
// so that it asks another node.
const lateAfter = "TEST_LATE_AFTER"

// sessiontool is the program, under observation.
func sessiontool() {
	streams := crashing(cli.System())
	if off, err := time.ParseDuration(os.Getenv(clockOffset)); err == nil {
		streams.Now = func() time.Time { return time.Now().Add(off) }
	}
	if late, err := time.ParseDuration(os.Getenv(lateAfter)); err == nil {
		streams.Network = func(config *network.Config) { config.Late = late }
	}
	ended := observeProcess(os.Args[1:], &streams)
	code := Main(os.Args[1:], streams)
	ended(code)
	os.Exit(code)
}

// usual is the network of most tests. Its swarms have four members. Three of them are asked to store a message, and
// three for what is stored: a poll meets what has not spread yet, whomever it asks.
var usual = devnet.Options{Nodes: 12, SwarmSize: 4}

// startDevnet starts a network for tests and stops it at their end.
func startDevnet(t *testing.T, options devnet.Options) *devnet.Network {
	t.Helper()
	options.Logger = slog.New(slog.DiscardHandler)
	net, err := devnet.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := net.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return net
}

// scriptEnvironment gives a script a home of its own and the network. A devnet that it leaves running is stopped.
func scriptEnvironment(env *testscript.Env, seed string) error {
	home := filepath.Join(env.WorkDir, "home")
	env.Defer(func() {
		var out bytes.Buffer
		Main([]string{"devnet", "down"}, cli.Streams{
			In: &out, Out: &out, Err: &out,
			Env: func(name string) string { return map[string]string{"HOME": home}[name] },
		})
	})
	for _, setting := range [][2]string{
		{"HOME", home}, {"XDG_CONFIG_HOME", ""}, {"XDG_DATA_HOME", ""}, {"XDG_STATE_HOME", ""},
		{"SESSIONTOOL_NETWORK", seed}, {"SEED", seed}, {complaints, os.Getenv(complaints)},
		{"OWN", registryIP()},
	} {
		env.Setenv(setting[0], setting[1])
	}
	return os.MkdirAll(home, 0o700)
}

func TestScripts(t *testing.T) {
	net := startDevnet(t, usual)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               func(env *testscript.Env) error { return scriptEnvironment(env, net.SeedURL()) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"setfrom": setFrom, "jsonlines": jsonLines, "count": countLines,
			"jsonobjects": jsonObjects, "exits": exits, "lock": lock,
		},
	})
}
