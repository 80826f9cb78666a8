package commands

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/docgen"
	"sessiontool/lib/devnet"
	"sessiontool/lib/record"
	"sessiontool/lib/storage"
)

// stage is the environment of the examples in help texts: a network, and the user's home as the examples expect it. The
// account is called alice, $BOB is a friend with a received message, $ALICE has sent a friend request, and $CAROL is a
// stranger. Every example gets a copy of the home.
type stage struct {
	t       *testing.T
	home    string
	words   string // of the account
	environ []string
}

// placeholders are addresses of the examples that a test cannot listen on.
var placeholders = regexp.MustCompile(`192\.0\.2\.\d+:\d+|0\.0\.0\.0:\d+|127\.0\.0\.1:9100`)

// stagePassphrase is what opens the backup, and the keystore once an example has given it a passphrase.
const stagePassphrase = "correct horse battery staple"

// waitingText is the text of the message that waits.
const waitingText = "waits to be polled"

func newStage(t *testing.T) *stage {
	t.Helper()
	net := startDevnet(t, usual)
	registry := startDevnet(t, devnet.Options{RegistryOnly: true})
	s := &stage{t: t, home: t.TempDir()}
	s.environ = []string{
		"PATH=" + os.Getenv("PATH"), complaints + "=" + os.Getenv(complaints),
		"SESSIONTOOL_NETWORK=" + net.SeedURL(), "SEED=" + registry.SeedURL(),
		"SESSIONTOOL_LOG_LEVEL=debug", "SESSIONTOOL_LOG_FORMAT=json", // the whole log is searched for secrets
		"SESSIONTOOL_TRACE_JOURNAL=true", // and so is the journal: see wantPrivateTraces
	}
	me := &person{t: t, home: s.home, seed: net.SeedURL()}
	me.must("", "keygen", "--account", "alice", "--display-name", "Alice")
	me.id = strings.TrimSpace(me.must("", "identity", "show", "--select", "session_id"))
	s.words = me.must("", "identity", "export", "--select", "mnemonic")
	person := func(name string) *person { return newPerson(t, net.SeedURL(), name) }
	bob, asker, stranger := person("Bob"), person("Al"), person("Carol")
	befriend(t, me, bob)
	asker.must("", "friend-request", "send", "--to", me.id, "--text", "May I?")
	me.must("", "poll")
	hash := bob.must("", "send", "--to", me.id, "--text", waitingText, "--select", "message_hash")
	solved := me.must(me.must("", "envelope", "seal", "--to", bob.id, "--text", "hi"), "pow", "solve")
	// A network of its own, since its examples delete what others want to read.
	phoneNet := startDevnet(t, devnet.Options{Nodes: 4, SwarmSize: 2, Generation: storage.Generation28})
	newPerson(t, phoneNet.SeedURL(), "Dora").must("", "send", "--to", me.id, "--text", "hi")
	phones := fmt.Sprintf(`{"seeds":[%q]}`, phoneNet.SeedURL())
	for name, content := range map[string]string{"phones.json": phones, "words.txt": s.words} {
		if err := os.WriteFile(filepath.Join(s.home, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.link(me, phoneNet.SeedURL())
	s.keepNode("node1")
	saved := me.must(stagePassphrase, "identity", "export", "--backup", "-", "--new-passphrase-fd", "0")
	for name, content := range map[string]string{
		"words.txt": s.words, "solved.json": solved, "passphrase.txt": stagePassphrase, "saved.backup": saved,
		"phones.json": phones,
	} {
		if err := os.WriteFile(filepath.Join(s.home, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	digits := bob.must("", "contact", "verify", me.id, "--select", "safety_number")
	s.environ = append(s.environ, "DIGITS="+digits, "ALICE="+asker.id, "BOB="+bob.id, "CAROL="+stranger.id,
		"HASH="+strings.TrimSpace(hash))
	return s
}

// keepNode puts the folder of a node that has stopped into the home.
func (s *stage) keepNode(name string) {
	s.t.Helper()
	dir := s.t.TempDir()
	net, err := devnet.Start(s.t.Context(), devnet.Options{Nodes: 1, Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = net.Close(context.Background())
	}
	if err == nil {
		err = os.CopyFS(filepath.Join(s.home, name), os.DirFS(filepath.Join(dir, "node-000")))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// link gives the account keys of session-v2 and a second device, $DEVICE, and lets a third one ask to join: $EMOJI.
func (s *stage) link(me *person, seed string) {
	s.t.Helper()
	me = &person{t: s.t, home: me.home, seed: seed}
	me.must("", "identity", "keys", "publish")
	device := func() *person {
		p := &person{t: s.t, home: s.t.TempDir(), seed: seed}
		p.must(s.words, "keygen", "--mnemonic-file", "-")
		return p
	}
	second, third := device(), device()
	emoji := strings.TrimSpace(second.must("", "device", "link", "--select", "emoji_names"))
	id := strings.TrimSpace(me.must("", "device", "link", "--confirm", emoji, "--select", "device_id"))
	second.must("", "device", "link", "--confirm", emoji)
	asks := strings.TrimSpace(third.must("", "device", "link", "--select", "emoji_names"))
	s.environ = append(s.environ, "DEVICE="+id, "EMOJI="+asks)
}

// copyHome makes a home like the prepared one, and returns it with its environment.
func (s *stage) copyHome(t *testing.T) (home string, environ []string) {
	t.Helper()
	home = t.TempDir()
	if err := os.CopyFS(home, os.DirFS(s.home)); err != nil {
		t.Fatal(err)
	}
	// CopyFS does not keep modes that are narrower than usual.
	err := filepath.WalkDir(home, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	environ = []string{"HOME=" + home, "SESSIONTOOL_KEYSTORE=" + filepath.Join(home, "keystore")}
	return home, append(environ, s.environ...)
}

// Every example of every help text runs and ends well; what it prints is checked by the observer, and no secret is in
// what it prints or logs at full verbosity.
func TestHelpExamples(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the examples are written for a POSIX shell")
	}
	s := newStage(t)
	s.wantFindable(t)
	ran := 0
	app := cli.New(cli.Streams{})
	for _, cmd := range docgen.AllCommands(newRootCommand(app, nil)) {
		if cmd.HasSubCommands() { // its examples are those of the commands below
			continue
		}
		examples := docgen.ExampleLines(cmd)
		ran += len(examples)
		t.Run(strings.TrimPrefix(cmd.CommandPath(), "sessiontool "), func(t *testing.T) {
			t.Parallel()
			for _, example := range examples {
				s.play(t, cmd, app.SpecOf(cmd), example)
			}
		})
	}
	if ran < 60 {
		t.Errorf("only %d examples found", ran)
	}
}

// play runs one example.
func (s *stage) play(t *testing.T, cmd *cobra.Command, spec cli.Spec, example string) {
	t.Helper()
	home, environ := s.copyHome(t)
	before := secretsOf(t, home, s.words)
	line := placeholders.ReplaceAllString(example, "127.0.0.1:0")
	shell := func(line string) (string, string, int) { return runShell(t, home, environ, line) }
	_, stopped := spec.Exits[record.ExitTerminated]
	endless := stopped && !strings.Contains(line, "--detach")
	if cmd.Name() == "keygen" || cmd.Name() == "restore" { // into a keystore without that account
		environ = append(environ, "SESSIONTOOL_KEYSTORE="+filepath.Join(home, "new"))
	}
	needsDevnet := strings.HasPrefix(cmd.CommandPath(), "sessiontool devnet ") && cmd.Name() != "up"
	if needsDevnet {
		shell("sessiontool devnet up --detach --nodes 4 --swarm-size 2")
	}
	var out, problems string
	var code, want int
	if endless {
		out, problems, code = runAndStop(t, home, environ, line)
		want = record.ExitTerminated
	} else {
		out, problems, code = shell(line)
	}
	if code != want {
		t.Errorf("%s\nexit %d, not %d\n%s%s", line, code, want, out, problems)
	}
	if strings.HasPrefix(cmd.CommandPath(), "sessiontool devnet ") && cmd.Name() != "down" && !endless {
		shell("sessiontool devnet down")
	}
	if cmd.CommandPath() == "sessiontool identity export" {
		return // it shows the words, because that is its purpose
	}
	for _, secret := range append(before, secretsOf(t, home, s.words)...) {
		if where := secret.in(out + problems); where != "" {
			t.Errorf("%s\nshows %s: %s", line, secret.name, where)
		}
	}
	s.wantPrivateTraces(t, home, line, before)
	_, err := os.Stat(filepath.Join(home, "keystore", "trace.journal"))
	if (line == "sessiontool poll" || line == "sessiontool send --to $BOB --text 'disk is full'") && err != nil {
		t.Errorf("%s leaves no journal that could be searched: %v", line, err)
	}
}

// runShell runs a line of shell.
func runShell(t *testing.T, home string, environ []string, line string) (out, problems string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Env = home, environ
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// runAndStop runs a command that runs until it is stopped, and stops it when it has printed its first record.
func runAndStop(t *testing.T, home string, environ []string, line string) (out, problems string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "exec "+line)
	cmd.Dir, cmd.Env = home, environ
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	first, err := lines.ReadString('\n')
	if err == nil {
		err = cmd.Process.Signal(syscall.SIGTERM)
	}
	if err != nil {
		t.Errorf("%s: %v", line, err)
	}
	rest, err := io.ReadAll(lines)
	if err != nil {
		t.Error(err)
	}
	cmd.Wait() // how it ended is in its state
	return first + string(rest), stderr.String(), cmd.ProcessState.ExitCode()
}

// Every command has what its help promises: an example of itself, exit statuses that are in the table, and records that
// exist. Every command without subcommands is made from a cli.Spec.
func TestSpecs(t *testing.T) {
	app := cli.New(cli.Streams{})
	for _, cmd := range docgen.AllCommands(newRootCommand(app, nil)) {
		if cmd.Short == "" {
			t.Errorf("%s has no short description", cmd.CommandPath())
		}
		if cmd.IsAdditionalHelpTopicCommand() {
			continue
		}
		if !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s has no example of itself: %q", cmd.CommandPath(), cmd.Example)
		}
		spec := app.SpecOf(cmd)
		var help bytes.Buffer
		if err := docgen.WriteHelp(&help, cmd, spec); err != nil {
			t.Error(err)
		}
		if text := help.String(); !strings.Contains(text, "\nExit status:\n  0 ") ||
			!strings.Contains(text, "\nExamples:\n") {
			t.Errorf("the help of %s lacks exit statuses or examples:\n%s", cmd.CommandPath(), help.String())
		}
		if cmd.HasSubCommands() {
			continue
		}
		if spec.Use != cmd.Use {
			t.Errorf("%s has no specification", cmd.CommandPath())
		}
		for _, name := range spec.Reads {
			if _, ok := record.KindOf(name); !ok {
				t.Errorf("%s reads %s, which is not a record", cmd.CommandPath(), name)
			}
		}
		for _, name := range spec.Kinds() {
			if kind, ok := record.KindOf(name); !ok || !kind.Output {
				t.Errorf("%s prints %s, which is not an output record", cmd.CommandPath(), name)
			}
		}
	}
}
