package commands

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tidwall/gjson"

	"sessiontool/keystore"
	"sessiontool/lib/devnet"
)

// listener is a 'sessiontool listen' at work. It prints into a file, as it would in a script.
type listener struct {
	*process
	out   string
	ended chan struct{}
}

// listens starts 'sessiontool listen' for p.
func (p *person) listens(args ...string) *listener {
	p.t.Helper()
	return p.launchListener("", args...)
}

// launchListener is listens with a process that kills itself at crashAt, see crashing.
func (p *person) launchListener(crashAt string, args ...string) *listener {
	p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(p.t.TempDir(), "out"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(self, append([]string{"listen", "--heartbeat", "20ms"}, args...)...)
	l := &listener{&process{t: p.t, cmd: cmd}, out.Name(), make(chan struct{})}
	l.cmd.Args[0] = "sessiontool"
	l.cmd.Env = append(p.environment(), "CRASH_AT="+crashAt)
	l.cmd.Stdout, l.cmd.Stderr = out, l.process
	if err := l.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(l.ended)
		l.cmd.Wait() // how it ended is what its state says
	}()
	p.t.Cleanup(func() { l.end(syscall.SIGKILL) })
	return l
}

// end ends the process and waits for it. Ending it again does nothing.
func (l *listener) end(signal os.Signal) {
	l.cmd.Process.Signal(signal) // it may have ended by itself
	<-l.ended
}

// dead reports whether the process has ended.
func (l *listener) dead() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// printed is what it has printed so far.
func (l *listener) printed() string {
	l.t.Helper()
	data, err := os.ReadFile(l.out)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(data)
}

// ready waits until it listens.
func (l *listener) ready() {
	l.t.Helper()
	eventually(l.t, "listen to begin", func() bool { return listeningNode(l.printed()) != "" })
}

func listeningNode(out string) (node string) {
	for line := range strings.Lines(out) {
		if gjson.Get(line, "type").Str == "heartbeat" {
			node = gjson.Get(line, "listening_node").Str
		}
	}
	return node
}

// knowsOnline polls until p knows that other is online.
func (p *person) knowsOnline(other *person) {
	p.t.Helper()
	eventually(p.t, "the status of a friend who is online", func() bool {
		p.must("", "poll")
		return gjson.Get(p.must("", "contact", "show", other.id), "online").Bool()
	})
}

// stored counts the messages that the nodes of a network hold for p.
func stored(t *testing.T, net *devnet.Network, p *person) (count int) {
	t.Helper()
	for i := range net.Nodes() {
		messages, err := net.Messages(i, p.id)
		if err != nil {
			t.Fatal(err)
		}
		count += len(messages)
	}
	return count
}

// No sender waits for a listener that was killed: the very next send falls back and reports it, and the text is there
// at the next poll, once.
func TestListenerIsKilled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals")
	}
	net := startDevnet(t, usual)
	alice, bob := newPerson(t, net.SeedURL(), "Alice"), newPerson(t, net.SeedURL(), "Bob")
	befriend(t, alice, bob)
	before := stored(t, net, bob)
	ear := bob.listens()
	ear.ready()
	alice.knowsOnline(bob)
	receipt := alice.must("", "send", "--to", bob.id, "--text", "one", "--ack-timeout", "8s")
	if gjson.Get(receipt, "route").Str != "sync" || gjson.Get(receipt, "difficulty").Int() != 0 ||
		stored(t, net, bob) != before {
		t.Errorf("%d messages stored, then %d: %s", before, stored(t, net, bob), receipt)
	}
	eventually(t, "the line", func() bool { return slices.Equal(texts(ear.printed()), []string{"one"}) })
	ear.end(syscall.SIGKILL)

	receipt = alice.must("", "send", "--to", bob.id, "--text", "two", "--ack-timeout", "1s")
	if gjson.Get(receipt, "route").Str != "async" || gjson.Get(receipt, "reason").Str != "not_acknowledged" {
		t.Errorf("after the kill: %s", receipt)
	}
	// The kill may have come between the line of the first text and the note that it was written.
	got := slices.DeleteFunc(texts(bob.must("", "poll")), func(text string) bool { return text == "one" })
	if !slices.Equal(got, []string{"two"}) {
		t.Errorf("Bob polls %q", got)
	}
	if again := texts(bob.must("", "poll")); len(again) > 0 {
		t.Errorf("Bob polls again %q", again)
	}
}

// A signal ends the listening in order, with the signal's exit code, and friends know.
func TestListenStopsCleanly(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals")
	}
	net := startDevnet(t, usual)
	alice, bob := newPerson(t, net.SeedURL(), "Alice"), newPerson(t, net.SeedURL(), "Bob")
	befriend(t, alice, bob)
	for signal, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		ear := bob.listens()
		ear.ready()
		alice.knowsOnline(bob)
		ear.end(signal)
		if got := ear.cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("%v: exit %d: %s", signal, got, ear.text())
		}
		alice.must("", "poll")
		if contact := alice.must("", "contact", "show", bob.id); gjson.Get(contact, "online").Bool() {
			t.Errorf("%v: Alice knows %s", signal, contact)
		}
		receipt := alice.must("", "send", "--to", bob.id, "--text", "bye")
		if gjson.Get(receipt, "reason").Str != "offline" {
			t.Errorf("%v: %s", signal, receipt)
		}
	}
}

// While a process listens, other processes of the same account send and poll, and none of them waits for the keystore.
func TestListenBlocksNobody(t *testing.T) {
	net := startDevnet(t, usual)
	alice, bob := newPerson(t, net.SeedURL(), "Alice"), newPerson(t, net.SeedURL(), "Bob")
	befriend(t, alice, bob)
	bobEar, aliceEar := bob.listens("--poll-interval", "100ms"), alice.listens()
	bobEar.ready()
	aliceEar.ready()
	var want []string
	for i := range 5 {
		text := fmt.Sprint("text ", i)
		want = append(want, text)
		const lockTimeout = "6s" // a lock that lasted as long as a question for messages would last 7 s
		alice.must("", "--lock-timeout", lockTimeout, "send", "--to", bob.id, "--text", text)
		alice.must("", "--lock-timeout", lockTimeout, "poll")
		bob.must("", "--lock-timeout", lockTimeout, "inbox")
	}
	eventually(t, "all texts", func() bool { return len(texts(bobEar.printed())) == len(want) })
	got := texts(bobEar.printed())
	slices.Sort(got) // one that was not acknowledged in time came later, by a poll
	if !slices.Equal(got, want) {
		t.Errorf("Bob reads %q", got)
	}
}

// A listener that is killed at any commit leaves nothing behind that the next poll does not print, and never
// acknowledges what it has not committed: each text is read, and is in the inbox once.
func TestListenSurvivesKill(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals")
	}
	net := startDevnet(t, usual)
	alice, bob := newPerson(t, net.SeedURL(), "Alice"), newPerson(t, net.SeedURL(), "Bob")
	befriend(t, alice, bob)
	var sent []string
	for _, stage := range []string{keystore.StageBeforeCommit, keystore.StageAfterCommit} {
		for commit := 1; commit <= 6; commit++ {
			ear := bob.launchListener(fmt.Sprintf("%d %s", commit, stage))
			eventually(t, "listen to begin or die", func() bool {
				return ear.dead() || listeningNode(ear.printed()) != ""
			})
			text := fmt.Sprint(commit, " ", stage)
			sent = append(sent, text)
			alice.must("", "poll")
			alice.must("", "send", "--to", bob.id, "--text", text, "--ack-timeout", "300ms")
			printed := func() []string { return append(texts(ear.printed()), texts(bob.must("", "poll"))...) }
			var got []string
			eventually(t, "the text", func() bool {
				got = append(got, printed()...)
				return slices.Contains(got, text)
			})
			ear.end(syscall.SIGKILL)
		}
	}
	bob.must("", "poll")
	inbox := texts(bob.must("", "inbox"))
	slices.Sort(inbox)
	slices.Sort(sent)
	if !slices.Equal(inbox, sent) {
		t.Errorf("the inbox has %q, not %q", inbox, sent)
	}
}

// A send that is killed at any commit while the recipient listens, and run again, delivers its text once.
func TestSynchronousSendSurvivesKill(t *testing.T) {
	t.Parallel()
	net := startDevnet(t, usual)
	alice, bob := newPerson(t, net.SeedURL(), "Alice"), newPerson(t, net.SeedURL(), "Bob")
	befriend(t, alice, bob)
	ear := bob.listens()
	ear.ready()
	alice.knowsOnline(bob)
	var want []string
	crashPoints(t, alice,
		func(n int) []string {
			return []string{"send", "--to", bob.id, "--text", fmt.Sprintf("text %d", n), "--ack-timeout", "8s"}
		},
		func(n int, args []string, crashed result) {
			receipt := crashed.out
			if crashed.killed {
				receipt = alice.must("", args...)
			}
			if gjson.Get(receipt, "route").Str != "sync" {
				t.Errorf("run %d: %s", n, receipt)
			}
			want = append(want, fmt.Sprintf("text %d", n))
			eventually(t, "the line", func() bool { return len(texts(ear.printed())) >= len(want) })
			if got := texts(ear.printed()); !slices.Equal(got, want) {
				t.Fatalf("run %d: Bob reads %q, not %q", n, got, want)
			}
		})
}
