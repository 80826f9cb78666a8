package commands

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/lib/devnet"
)

// wantCode checks the exit code, and that a line of the output has the code and the sender.
func wantCode(t *testing.T, got result, exit int, code, from string) {
	t.Helper()
	for _, line := range strings.Split(got.out, "\n") {
		if gjson.Get(line, "code").Str == code && gjson.Get(line, "from").Str == from && got.code == exit {
			return
		}
	}
	t.Errorf("exit %d, want %d with %s from %s:\n%s%s", got.code, exit, code, from, got.out, got.err)
}

// Two hosts have copies of a keystore. The recipient learns that a message is lost and whose, and both hosts learn of
// each other, once. A new friend request begins anew.
func TestCopiedKeystore(t *testing.T) {
	net := startDevnet(t, devnet.Options{Nodes: 6, SwarmSize: 3})
	alice, bob := newPerson(t, net.SeedURL(), "alice"), newPerson(t, net.SeedURL(), "bob")
	befriend(t, alice, bob)
	twin := *alice
	twin.home = filepath.Join(t.TempDir(), "copy")
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", alice.home, twin.home).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	alice.must("", "send", "--to", bob.id, "--text", "from the one host")
	if got := bob.must("", "poll", "--select", "text"); got != "from the one host\n" {
		t.Fatalf("bob reads %q", got)
	}
	twin.must("", "send", "--to", bob.id, "--text", "from the other")
	wantCode(t, bob.run("", "", "poll"), 3, "key_reused", alice.id)
	for _, host := range []*person{alice, &twin} {
		wantCode(t, host.run("", "", "poll"), 3, "keystore_copied", bob.id)
		if got := host.must("", "poll"); got != "" {
			t.Errorf("the next poll prints %s", got)
		}
	}
	alice.must("", "friend-request", "send", "--to", bob.id, "--text", "anew", "--again")
	bob.must("", "poll")
	alice.must("", "poll")
	alice.must("", "send", "--to", bob.id, "--text", "at last")
	if got := bob.must("", "poll", "--select", "text"); got != "at last\n" {
		t.Errorf("bob reads %q", got)
	}
}

// After 2 300 messages that were never stored the next one opens, and the receipt warns.
func TestOneWayChannel(t *testing.T) {
	net := startDevnet(t, devnet.Options{Nodes: 6, SwarmSize: 3})
	alice, bob := newPerson(t, net.SeedURL(), "alice"), newPerson(t, net.SeedURL(), "bob")
	befriend(t, alice, bob)
	alice.must(strings.Repeat(`{"to":"`+bob.id+`","text":"lost"}`+"\n", 2300), "envelope", "seal")
	receipt := alice.must("", "send", "--to", bob.id, "--text", "back from holiday?")
	if got := gjson.Get(receipt, "warnings.0").Str; got != "unanswered" {
		t.Errorf("the receipt warns of %q: %s", got, receipt)
	}
	if got := bob.must("", "poll", "--select", "text"); got != "back from holiday?\n" {
		t.Errorf("bob reads %q", got)
	}
	alice.must("", "send", "--to", bob.id, "--text", "and on") // its probe fetches bob's answer
	receipt = alice.must("", "send", "--to", bob.id, "--text", "and on")
	if got := gjson.Get(receipt, "warnings.#").Int(); got != 0 {
		t.Errorf("after bob's answer the receipt has %d warnings: %s", got, receipt)
	}
	if got := bob.must("", "poll", "--select", "text"); got != "and on\nand on\n" {
		t.Errorf("bob reads %q", got)
	}
}

// A machine without a battery clock boots weeks behind, and its alert waits without a network. When the clock is right
// the alert is sent, with the time of then.
func TestBootWithoutClock(t *testing.T) {
	net := startDevnet(t, devnet.Options{Nodes: 6, SwarmSize: 3})
	alice, bob := newPerson(t, net.SeedURL(), "alice"), newPerson(t, net.SeedURL(), "bob")
	befriend(t, alice, bob)
	for _, off := range []time.Duration{-20 * 24 * time.Hour, -5 * 24 * time.Hour, 30 * 24 * time.Hour} {
		offline := *alice
		offline.seed = "http://127.0.0.1:1"
		text := "booted " + off.String()
		if sent := offline.atTime(off, "send", "--to", bob.id, "--text", text, "--ttl", "10s"); sent.code != 5 ||
			!strings.Contains(sent.err, `"queued":true`) {
			t.Fatalf("exit %d: %s", sent.code, sent.err)
		}
		before := time.Now().UnixMilli()
		alice.must("", "poll")
		got := gjson.Parse(bob.must("", "poll"))
		if at := got.Get("timestamp_ms").Int(); got.Get("text").Str != text || at < before-10_000 ||
			at > time.Now().UnixMilli()+10_000 {
			t.Errorf("clock off by %v: bob reads %s", off, got.Raw)
		}
	}
}
