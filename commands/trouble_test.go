package commands

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tidwall/gjson"

	"sessiontool/lib/record"
)

// command is a process of the person that has not been started.
func (p *person) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(p.t.Context(), name, args...)
	cmd.Env = []string{
		"HOME=" + p.home, "SESSIONTOOL_KEYSTORE=" + filepath.Join(p.home, "keystore"), "SESSIONTOOL_NETWORK=" + p.seed,
		"PATH=" + os.Getenv("PATH"), complaints + "=" + os.Getenv(complaints),
	}
	return cmd
}

// startPiped starts a process whose stdin stays open. Problems is its stderr, whole once it has ended.
func startPiped(t *testing.T, cmd *exec.Cmd) (stdin io.Writer, lines *bufio.Reader, problems *bytes.Buffer) {
	t.Helper()
	problems = new(bytes.Buffer)
	cmd.Stderr = problems
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return stdin, bufio.NewReader(stdout), problems
}

// shell runs a line of shell.
func (p *person) shell(line string) result {
	p.t.Helper()
	cmd := p.command("sh", "-c", line)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return result{out: out.String(), err: problems.String(), code: cmd.ProcessState.ExitCode()}
}

// wantExit checks how a process ended: its exit code, and the same in the last line on stderr, with a code.
func (r result) wantExit(t *testing.T, code int, name record.Code) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(r.err), "\n")
	last := lines[len(lines)-1]
	if r.code != code || gjson.Get(last, "exit_code").Int() != int64(code) ||
		gjson.Get(last, "code").Str != string(name) {
		t.Errorf("exit %d, want %d and %s: %s", r.code, code, name, r.err)
	}
}

// friends returns two friends, the second of which has messages waiting.
func friends(t *testing.T, waiting ...string) (alice, bob *person) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there are neither signals nor shells as these tests need them")
	}
	net := startDevnet(t, usual)
	alice, bob = newPerson(t, net.SeedURL(), "Alice"), newPerson(t, net.SeedURL(), "Bob")
	befriend(t, alice, bob)
	if len(waiting) > 0 {
		alice.must(draftLines(bob.id, waiting...), "send")
	}
	return alice, bob
}

// draftLines returns the input of send.
func draftLines(to string, texts ...string) string {
	var b strings.Builder
	for _, text := range texts {
		fmt.Fprintf(&b, "{\"to\":%q,\"text\":%q,\"ref\":%q}\n", to, text, text[:min(len(text), 8)])
	}
	return b.String()
}

// Where the output cannot be written nothing counts as read, and where the keystore cannot be written nothing happens
// at all: the same command again finds everything.
func TestNoRoom(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("needs /dev/full")
	}
	alice, bob := friends(t, "one", "two")
	for _, trouble := range []struct {
		line string
		code record.Code
	}{
		{"exec sessiontool poll >/dev/full", record.CodeDiskFull},
		{"exec sessiontool poll >&-", record.CodeOutputClosed},
		{"ulimit -f 1; exec sessiontool poll", record.CodeDiskFull},
		{"exec sessiontool poll --help >/dev/full", record.CodeDiskFull},
		{"exec sessiontool help poll >/dev/full", record.CodeDiskFull},
	} {
		bob.shell(trouble.line).wantExit(t, record.ExitTemporary, trouble.code)
	}
	if got := texts(bob.must("", "poll")); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("after all that Bob reads %q", got)
	}
	send := "sessiontool send --to " + bob.id + " --text three"
	alice.shell("ulimit -f 1; exec "+send).wantExit(t, record.ExitTemporary, record.CodeDiskFull)
	alice.shell("exec "+send+" >/dev/full").wantExit(t, record.ExitTemporary, record.CodeDiskFull)
	if r := alice.shell("exec " + send); r.code != 0 {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	if got := texts(bob.must("", "poll")); !slices.Equal(got, []string{"three"}) {
		t.Errorf("Bob reads %q", got)
	}
	full := alice.shell("ulimit -f 1; exec sessiontool keygen --keystore $HOME/new")
	full.wantExit(t, record.ExitTemporary, record.CodeDiskFull)
	alice.must("", "keygen", "--keystore", filepath.Join(alice.home, "new"))
}

// A reader that goes away: what was not written comes with the next poll, and what it took is in the inbox.
func TestReaderGoesAway(t *testing.T) {
	var sent []string
	for i := range 12 { // together more than a pipe holds
		sent = append(sent, fmt.Sprintf("text %02d %s", i, strings.Repeat("x", 12_000)))
	}
	_, bob := friends(t, sent...)
	cmd := bob.command("sessiontool", "poll")
	var problems bytes.Buffer
	cmd.Stderr = &problems
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first, err := bufio.NewReader(stdout).ReadString('\n')
	if err == nil {
		err = stdout.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // how it ended is in its state
	ended := result{err: problems.String(), code: cmd.ProcessState.ExitCode()}
	ended.wantExit(t, record.ExitTemporary, record.CodeOutputClosed)

	rest := texts(bob.must("", "poll"))
	if got := texts(first); len(got) != 1 || len(rest) == 0 || slices.Contains(rest, got[0]) {
		t.Errorf("head read %d messages, the next poll %d", len(got), len(rest))
	}
	inbox := texts(bob.must("", "inbox"))
	slices.Sort(inbox)
	if !slices.Equal(inbox, sent) {
		t.Errorf("the inbox has %d messages, not the %d that were sent", len(inbox), len(sent))
	}
	if r := bob.shell("set -e; sessiontool inbox | head -n 1 | wc -l"); strings.TrimSpace(r.out) != "1" {
		t.Errorf("inbox | head -n 1 prints %q %s", r.out, r.err)
	}
}

// Signals end a command in order, with the code that shells give them; what has no receipt yet is sent by the next run,
// and nothing twice.
func TestSignals(t *testing.T) {
	alice, bob := friends(t)
	for signal, want := range map[syscall.Signal]record.Code{
		syscall.SIGINT: record.CodeInterrupted, syscall.SIGTERM: record.CodeTerminated,
	} {
		var all []string // other texts for each signal: a text of a run that was stopped is sent once
		for i := range 4 {
			all = append(all, fmt.Sprintf("%d.%d", signal, i))
		}
		cmd := alice.command("sessiontool", "send")
		stdin, lines, problems := startPiped(t, cmd)
		// Stdin stays open: without the signal the command would wait for more.
		if _, err := io.WriteString(stdin, draftLines(bob.id, all...)); err != nil {
			t.Fatal(err)
		}
		receipts, err := lines.ReadString('\n')
		if err == nil {
			err = cmd.Process.Signal(signal)
		}
		if err != nil {
			t.Fatal(err)
		}
		more, err := io.ReadAll(lines)
		if err != nil {
			t.Fatal(err)
		}
		receipts += string(more)
		cmd.Wait() // how it ended is in its state
		result{err: problems.String(), code: cmd.ProcessState.ExitCode()}.wantExit(t, want.Info().Exit, want)

		left := slices.DeleteFunc(slices.Clone(all), func(text string) bool {
			return strings.Contains(receipts, `"ref":"`+text+`"`)
		})
		if len(left) == len(all) {
			t.Errorf("no receipt in %q", receipts)
		}
		alice.must(draftLines(bob.id, left...), "send")
		got := texts(bob.must("", "poll"))
		slices.Sort(got)
		if !slices.Equal(got, all) {
			t.Errorf("%v: after %d receipts and another run Bob reads %q", signal, len(all)-len(left), got)
		}
	}
}

// A command that waits for input ends on a signal, or when its time is over.
func TestWaitingForInputEnds(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there reading cannot be interrupted")
	}
	p := &person{t: t, home: t.TempDir()}
	wait := func(end func(*exec.Cmd, *bufio.Reader), args ...string) result {
		cmd := p.command("sessiontool", args...)
		stdin, lines, problems := startPiped(t, cmd)
		if _, err := io.WriteString(stdin, "\"nobody\"\n"); err != nil {
			t.Fatal(err)
		}
		end(cmd, lines)
		cmd.Wait() // how it ended is in its state
		return result{err: problems.String(), code: cmd.ProcessState.ExitCode()}
	}
	terminate := func(cmd *exec.Cmd, lines *bufio.Reader) {
		if _, err := lines.ReadString('\n'); err != nil { // now it waits for the next item
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
	wait(terminate, "swarm", "lookup").wantExit(t, record.ExitTerminated, record.CodeTerminated)
	over := func(*exec.Cmd, *bufio.Reader) {} // wherever it is by then
	wait(over, "swarm", "lookup", "--timeout", "2s").wantExit(t, record.ExitTimeout, record.CodeTimeout)
}

// So does one that waits for a passphrase, wherever that comes from.
func TestWaitingForPassphraseEnds(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there reading cannot be interrupted")
	}
	p := &person{t: t, home: t.TempDir()}
	secret := filepath.Join(p.home, "secret")
	if err := os.WriteFile(secret, []byte("correct horse"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.must("", "keygen", "--passphrase-file", secret)
	for _, source := range [][]string{
		{"--passphrase-fd", "0"}, {"--passphrase-file", "/dev/stdin"},
		{"--passphrase-command", "sleep 60 2>/dev/null; true"},
	} {
		cmd := p.command("sessiontool", append([]string{"identity", "show", "--timeout", "100ms"}, source...)...)
		_, lines, problems := startPiped(t, cmd)
		if line, err := lines.ReadString('\n'); err == nil {
			t.Errorf("%v: without a passphrase it prints %s", source, line)
		}
		cmd.Wait() // how it ended is in its state
		ended := result{err: problems.String(), code: cmd.ProcessState.ExitCode()}
		ended.wantExit(t, record.ExitTimeout, record.CodeTimeout)
	}
}
