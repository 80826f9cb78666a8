package commands

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/cli/clitest"
	"sessiontool/commands/internal/docgen"
	"sessiontool/lib/record"
)

// A command that is asked for by its name is the only one that is made, beside help.
func TestOnlyTheCommandAskedForIsMade(t *testing.T) {
	for _, c := range topCommands() {
		root := newRootCommand(cli.New(cli.Streams{}), []string{c.name})
		if made := root.Commands(); len(made) != 2 || made[0].Name() != c.name && made[1].Name() != c.name {
			t.Errorf("%s makes %d commands", c.name, len(made))
		}
	}
	all := len(topCommands()) + len(docgen.TopicNames()) + 1
	for _, args := range [][]string{nil, {"--pretty", "version"}, {"help", "version"}, {"versoin"}} {
		if made := newRootCommand(cli.New(cli.Streams{}), args).Commands(); len(made) != all {
			t.Errorf("%q make %d commands of %d", args, len(made), all)
		}
	}
}

// inProcess runs a command in this process, with a home of its own and no network.
func inProcess(t *testing.T, streams cli.Streams, args ...string) (out string, problem record.Error, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	home := t.TempDir()
	streams.Out, streams.Err = &stdout, &stderr
	streams.Env = func(name string) string { return map[string]string{"HOME": home}[name] }
	if streams.In == nil {
		streams.In = clitest.Untouchable{T: t}
	}
	ended := observe(args, &streams, func(complaint string) { t.Errorf("%v: %s", args, complaint) })
	code = run(t.Context(), args, streams)
	ended(code)
	if code != 0 {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &problem); err != nil {
			t.Fatalf("the last line on stderr is no record: %q", stderr.String())
		}
		if problem.ExitCode != code || problem.Type != record.TypeError {
			t.Errorf("exit code %d, but the record says %+v", code, problem)
		}
	}
	return stdout.String(), problem, code
}

// A filter whose stdin is a terminal says so instead of waiting for typed JSON.
func TestTerminalIsNoInput(t *testing.T) {
	for _, line := range []string{
		"send", "send -", "friend-request send", "friend-request accept", "friend-request decline", "envelope seal",
		"envelope open", "envelope inspect", "pow solve --difficulty 1", "pow verify", "swarm lookup", "swarm store",
		"onion send", "keygen --mnemonic-file -", "identity restore -", "swarm check -", "swarm map --out x.svg -",
	} {
		_, problem, code := inProcess(t, cli.Streams{InIsTerminal: true}, strings.Fields(line)...)
		if problem.Code != string(record.CodeStdinTerminal) || code != record.ExitUsage {
			t.Errorf("%s: exit %d, %+v", line, code, problem)
		}
	}
}

// A backup is no text: a terminal would be in disorder after it, and the backup gone.
func TestBackupShunsTheTerminal(t *testing.T) {
	out, problem, code := inProcess(t, cli.Streams{OutIsTerminal: true}, "identity", "export", "--backup", "-")
	if problem.Code != string(record.CodeUsage) || code != record.ExitUsage || out != "" {
		t.Errorf("exit %d, %+v, %q", code, problem, out)
	}
}

// A command whose flags give the input leaves stdin alone.
func TestFlagsKeepStdinUntouched(t *testing.T) {
	id := "05" + strings.Repeat("ab", 32)
	for _, line := range []string{
		"send --to " + id + " --text x", "envelope seal --to " + id + " --text x", "friend-request send --to " + id,
		"friend-request accept " + id, "swarm lookup " + id, "swarm check", "swarm check " + id, "poll", "inbox",
		"keygen", "version", "contact list",
		"pow estimate --bytes 100 --difficulty 1",
	} {
		inProcess(t, cli.Streams{}, strings.Fields(line)...)
	}
}
