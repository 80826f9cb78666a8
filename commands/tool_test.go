package commands

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// person runs sessiontool as a process of its own, with a keystore of its own.
type person struct {
	t    *testing.T
	home string
	seed string
	id   string
}

// newPerson makes an account on the network behind seed.
func newPerson(t *testing.T, seed, name string) *person {
	t.Helper()
	p := &person{t: t, home: t.TempDir(), seed: seed}
	p.id = gjson.Get(p.must("", "keygen", "--display-name", name), "session_id").Str
	return p
}

// befriend makes a and b friends.
func befriend(t *testing.T, a, b *person) {
	t.Helper()
	a.must("", "friend-request", "send", "--to", b.id, "--text", "hi")
	b.must("", "poll")
	b.must("", "friend-request", "accept", a.id)
	a.must("", "poll")
	b.must("", "poll")
}

// result is how a process ended. Killed says that it was by SIGKILL.
type result struct {
	out, err string
	code     int
	killed   bool
}

// run runs a command. With crashAt the process kills itself there, see crashing.
func (p *person) run(crashAt, stdin string, args ...string) result {
	p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(p.t.Context(), self, args...)
	cmd.Args[0] = "sessiontool"
	cmd.Env = append(p.environment(), "CRASH_AT="+crashAt)
	var out, problems bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &problems
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	code := cmd.ProcessState.ExitCode()
	return result{out.String(), problems.String(), code, code == -1}
}

// environment is that of p's commands.
func (p *person) environment() []string {
	return []string{
		"HOME=" + p.home, "SESSIONTOOL_KEYSTORE=" + filepath.Join(p.home, "keystore"), "SESSIONTOOL_NETWORK=" + p.seed,
		"PATH=" + os.Getenv("PATH"), complaints + "=" + os.Getenv(complaints),
	}
}

// must runs a command that must succeed and returns what it prints.
func (p *person) must(stdin string, args ...string) string {
	p.t.Helper()
	r := p.run("", stdin, args...)
	if r.code != 0 {
		p.t.Fatalf("sessiontool %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
	return r.out
}

// texts returns the texts of the message records in an output.
func texts(out string) (all []string) {
	for line := range strings.Lines(out) {
		if gjson.Get(line, "type").Str == "message" {
			all = append(all, gjson.Get(line, "text").Str)
		}
	}
	return all
}
