package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet"
	"sessiontool/lib/record"
)

func newDemoCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "demo",
		Short: "Play the whole story on an embedded network",
		Long: "Start a network of twelve service nodes in this process, make two accounts, and let them become\n" +
			"friends and talk: both ways, out of order, with a node stopped in between. Every step is a command\n" +
			"of this program that you could type; a step record names it, and its own records follow it.\n\n" +
			"Nothing is left behind.",
		Examples: []string{"sessiontool demo"},
		Prints: []string{record.TypeStep, record.TypeIdentity, record.TypeReceipt, record.TypeMessage,
			record.TypeFriendRequest, record.TypeSwarm, record.TypeEnvelope},
		Exits: cli.Exits{record.ExitUnexpected: "the story came out wrong"},
		Run:   app.Run(func(ctx context.Context, _ []string) error { return runDemo(ctx, app) }),
	})
}

// demo is one run of the story.
type demo struct {
	app     *cli.App
	net     *devnet.Network
	dir     string
	started time.Time
}

func runDemo(ctx context.Context, app *cli.App) (err error) {
	dir, err := os.MkdirTemp("", "sessiontool-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{app: app, dir: dir, started: time.Now()}
	// Three of four members store a message, so any three that a poll asks include one that has it: the demo does not
	// depend on how fast messages spread.
	d.net, err = devnet.Start(ctx, devnet.Options{
		Nodes: 12, SwarmSize: 4, Dir: filepath.Join(dir, "devnet"), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.net.Close(context.WithoutCancel(ctx))) }()
	return d.play(ctx)
}

// play runs the story.
func (d *demo) play(ctx context.Context) error {
	detail := fmt.Sprintf("%d service nodes at %s", len(d.net.Nodes()), d.net.SeedURL())
	if err := d.step("network", detail); err != nil {
		return err
	}
	alice, err := d.one(ctx, "alice", "", "session_id", "keygen", "--account", "alice", "--display-name", "Alice")
	if err != nil {
		return err
	}
	bob, err := d.one(ctx, "bob", "", "session_id", "keygen", "--account", "bob", "--display-name", "Bob")
	if err != nil {
		return err
	}
	for _, act := range []func() error{
		func() error { return d.befriend(ctx, alice, bob) },
		func() error { return d.talk(ctx, alice, bob) },
		func() error { return d.outOfOrder(ctx, alice, bob) },
		func() error { return d.withNodeStopped(ctx, bob) },
		func() error { return d.stepByStep(ctx, alice) },
	} {
		if err := act(); err != nil {
			return err
		}
	}
	return d.step("done", "both sides read every message")
}

func (d *demo) befriend(ctx context.Context, alice, bob string) error {
	_, err := d.run(ctx, "alice", "", "friend-request", "send", "--to", bob, "--text", "It is me, Alice")
	if err != nil {
		return err
	}
	if err := d.expect(ctx, "bob", "friend_request", "It is me, Alice"); err != nil {
		return err
	}
	if _, err := d.run(ctx, "bob", "", "friend-request", "accept", alice); err != nil {
		return err
	}
	return d.expect(ctx, "alice", "friend_request", "It is me, Alice")
}

func (d *demo) talk(ctx context.Context, alice, bob string) error {
	if _, err := d.run(ctx, "alice", "", "send", "--to", bob, "--text", "Hello Bob"); err != nil {
		return err
	}
	if err := d.expect(ctx, "bob", "message", "Hello Bob"); err != nil {
		return err
	}
	if _, err := d.run(ctx, "bob", "", "send", "--to", alice, "--text", "Hello Alice"); err != nil {
		return err
	}
	return d.expect(ctx, "alice", "message", "Hello Alice")
}

// outOfOrder seals three messages in order and stores them in reverse.
func (d *demo) outOfOrder(ctx context.Context, alice, bob string) error {
	drafts := ""
	for _, text := range []string{"first", "second", "third"} {
		drafts += fmt.Sprintf("{\"to\":%q,\"text\":%q}\n", bob, text)
	}
	envelopes, err := d.run(ctx, "alice", drafts, "envelope", "seal")
	if err != nil {
		return err
	}
	solved, err := d.run(ctx, "alice", envelopes, "pow", "solve")
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(solved), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if _, err := d.run(ctx, "alice", lines[i], "swarm", "store"); err != nil {
			return err
		}
	}
	return d.expect(ctx, "bob", "message", "first", "second", "third")
}

// withNodeStopped stops a member of Bob's swarm between the storing and the reading of a message.
func (d *demo) withNodeStopped(ctx context.Context, bob string) error {
	stopped, err := d.one(ctx, "alice", "", "nodes.0.pubkey_ed25519", "swarm", "lookup", bob)
	if err != nil {
		return err
	}
	if _, err := d.run(ctx, "alice", "", "send", "--to", bob, "--text", "A node will stop now"); err != nil {
		return err
	}
	for i, node := range d.net.Nodes() {
		if node.PubkeyEd25519 == stopped {
			if err := d.net.StopNode(ctx, i); err != nil {
				return err
			}
		}
	}
	if err := d.step("stop", "service node "+stopped+" of Bob's swarm is down"); err != nil {
		return err
	}
	if _, err := d.run(ctx, "alice", "", "send", "--to", bob, "--text", "And still it arrives"); err != nil {
		return err
	}
	return d.expect(ctx, "bob", "message", "A node will stop now", "And still it arrives")
}

// stepByStep reads with `swarm retrieve` and `envelope open` what `send` has sent.
func (d *demo) stepByStep(ctx context.Context, alice string) error {
	if _, err := d.run(ctx, "bob", "", "send", "--to", alice, "--text", "Good night"); err != nil {
		return err
	}
	envelopes, err := d.run(ctx, "alice", "", "swarm", "retrieve")
	if err != nil {
		return err
	}
	opened, err := d.run(ctx, "alice", envelopes, "envelope", "open")
	if err != nil {
		return err
	}
	for _, line := range strings.Split(opened, "\n") {
		if gjson.Get(line, "text").Str == "Good night" && !gjson.Get(line, "duplicate").Bool() {
			return nil
		}
	}
	return errors.New("the demo's story came out wrong: the last message was not read")
}

// expect polls until the texts have arrived, in any order, as records of a type.
func (d *demo) expect(ctx context.Context, who, kind string, texts ...string) error {
	got := make(map[string]int)
	for {
		out, err := d.run(ctx, who, "", "poll")
		if err != nil {
			return err
		}
		for _, line := range strings.Split(out, "\n") {
			if gjson.Get(line, "type").Str == kind {
				got[gjson.Get(line, "text").Str]++
			}
		}
		missing := 0
		for _, text := range texts {
			if got[text] > 1 {
				return fmt.Errorf("the demo's story came out wrong: %s read %q %d times", who, text, got[text])
			}
			if got[text] == 0 {
				missing++
			}
		}
		if missing == 0 {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// one runs a command that prints one record, and returns what path selects of it.
func (d *demo) one(ctx context.Context, who, input, path string, args ...string) (string, error) {
	out, err := d.run(ctx, who, input, args...)
	return gjson.Get(out, path).Str, err
}

// run prints a step with a command, runs the command with the keystore of who on the network of the demo, and returns
// what the command prints.
func (d *demo) run(ctx context.Context, who, input string, args ...string) (string, error) {
	line := "sessiontool " + strings.Join(quoted(args), " ")
	if err := d.step(who, line); err != nil {
		return "", err
	}
	var out bytes.Buffer
	var problems bytes.Buffer
	code := run(ctx, args, cli.Streams{
		In: strings.NewReader(input), Out: io.MultiWriter(&out, d.app.Streams.Out), Err: &problems,
		Env: func(name string) string { return d.environment(who)[name] },
	})
	if code != record.ExitOK {
		return out.String(), fmt.Errorf("demo: %s: exit %d: %w", line, code, reported(problems.String()))
	}
	return out.String(), nil
}

// reported returns the error of a command from what it has written to stderr.
func reported(problems string) error {
	lines := strings.Split(strings.TrimSpace(problems), "\n")
	var last cli.ReportedError
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		return errors.New(lines[len(lines)-1])
	}
	return &last
}

// environment returns the environment of who's commands, which keeps them away from the user's own files.
func (d *demo) environment(who string) map[string]string {
	return map[string]string{
		"HOME":                 d.dir,
		"SESSIONTOOL_KEYSTORE": filepath.Join(d.dir, who),
		"SESSIONTOOL_NETWORK":  d.net.SeedURL(),
	}
}

// step prints a line of the story.
func (d *demo) step(who, detail string) error {
	return d.app.Print(record.Step{
		Type: record.TypeStep, Step: who, OK: true, Detail: detail, Elapsed: time.Since(d.started).Milliseconds(),
	})
}

// quoted returns arguments as one would type them in a shell.
func quoted(args []string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		out[i] = arg
		if strings.ContainsAny(arg, " '\"") {
			out[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return out
}
