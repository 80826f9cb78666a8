package commands

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sessiontool/keystore"
	"sessiontool/lib/devnet"
	"sessiontool/lib/storage"
)

// crashStages are the moments around a commit at which a process is killed.
var crashStages = []string{keystore.StageBeforeCommit, keystore.StageAfterCommit}

// crashPoints runs a command again and again, each time killed one commit later, until it gets through. After each
// crash check is called.
func crashPoints(
	t *testing.T, p *person, prepare func(n int) []string, check func(n int, args []string, crashed result),
) {
	t.Helper()
	n := 0
	for _, stage := range crashStages {
		for commit := 1; ; commit++ {
			n++
			args := prepare(n)
			crashed := p.run(fmt.Sprintf("%d %s", commit, stage), "", args...)
			check(n, args, crashed)
			if !crashed.killed {
				if crashed.code != 0 {
					t.Fatalf("%v: exit %d: %s", args, crashed.code, crashed.err)
				}
				break
			}
			if commit > 100 {
				t.Fatal("the command never gets through")
			}
		}
	}
	if n < 4 {
		t.Fatalf("only %d runs: the command was hardly ever killed", n)
	}
}

// onBoth runs a test on a network of each generation.
func onBoth(t *testing.T, test func(t *testing.T, net *devnet.Network)) {
	t.Parallel() // most of the time such a test waits for processes that start, and for the disk
	for _, generation := range []storage.Generation{storage.Generation20, storage.Generation28} {
		t.Run(string(generation), func(t *testing.T) {
			t.Parallel()
			options := usual
			options.Generation = generation
			test(t, startDevnet(t, options))
		})
	}
}

// A send that is killed at any commit and run again delivers its text once, and the ratchet goes on.
func TestSendSurvivesKill(t *testing.T) { onBoth(t, sendSurvivesKill) }

func sendSurvivesKill(t *testing.T, net *devnet.Network) {
	alice, bob := newPerson(t, net.SeedURL(), "Alice"), newPerson(t, net.SeedURL(), "Bob")
	befriend(t, alice, bob)
	crashPoints(t, alice,
		func(n int) []string { return []string{"send", "--to", bob.id, "--text", fmt.Sprintf("text %d", n)} },
		func(n int, args []string, crashed result) {
			if crashed.killed {
				alice.must("", args...)
			}
			got := texts(bob.must("", "poll"))
			if want := []string{fmt.Sprintf("text %d", n)}; !slices.Equal(got, want) {
				t.Fatalf("run %d: Bob reads %q, not %q", n, got, want)
			}
			answer := fmt.Sprintf("answer %d", n)
			bob.must("", "send", "--to", alice.id, "--text", answer)
			if got := texts(alice.must("", "poll")); !slices.Equal(got, []string{answer}) {
				t.Fatalf("run %d: Alice reads %q", n, got)
			}
		})
}

// A poll that is killed at any commit and run again prints each message; one line may come twice if it was the last
// thing that the killed poll did, but the message is in the inbox once.
func TestPollSurvivesKill(t *testing.T) { onBoth(t, pollSurvivesKill) }

func pollSurvivesKill(t *testing.T, net *devnet.Network) {
	alice, bob := newPerson(t, net.SeedURL(), "Alice"), newPerson(t, net.SeedURL(), "Bob")
	befriend(t, alice, bob)
	var sent []string
	crashPoints(t, bob,
		func(n int) []string {
			for i := range 2 {
				text := fmt.Sprintf("text %d.%d", n, i)
				alice.must("", "send", "--to", bob.id, "--text", text)
				sent = append(sent, text)
			}
			return []string{"poll"}
		},
		func(n int, _ []string, crashed result) {
			printed := append(texts(crashed.out), texts(bob.must("", "poll"))...)
			for _, text := range sent[len(sent)-2:] {
				if !slices.Contains(printed, text) {
					t.Fatalf("run %d: %q was never printed: %q", n, text, printed)
				}
			}
			if again := texts(bob.must("", "poll")); len(again) > 0 {
				t.Fatalf("run %d: printed again: %q", n, again)
			}
			answer := fmt.Sprintf("answer %d", n)
			bob.must("", "send", "--to", alice.id, "--text", answer)
			if got := texts(alice.must("", "poll")); !slices.Equal(got, []string{answer}) {
				t.Fatalf("run %d: Alice reads %q", n, got)
			}
		})
	// With session-v1 the friend request was a message, too.
	other := func(text string) bool { return !strings.HasPrefix(text, "text ") }
	inbox := slices.DeleteFunc(texts(bob.must("", "inbox")), other)
	slices.Sort(inbox)
	slices.Sort(sent)
	if !slices.Equal(inbox, sent) {
		t.Fatalf("the inbox has %q, not %q", inbox, sent)
	}
}

// The same for accepting a friend request, with which everything starts.
func TestAcceptSurvivesKill(t *testing.T) {
	t.Parallel()
	net := startDevnet(t, usual)
	bob := newPerson(t, net.SeedURL(), "Bob")
	var alice *person
	crashPoints(t, bob,
		func(n int) []string {
			alice = newPerson(t, net.SeedURL(), "Alice")
			alice.must("", "friend-request", "send", "--to", bob.id, "--text", "hi")
			bob.must("", "poll")
			return []string{"friend-request", "accept", alice.id}
		},
		func(n int, args []string, crashed result) {
			if crashed.killed {
				bob.must("", args...)
			}
			alice.must("", "poll")
			text := fmt.Sprintf("text %d", n)
			alice.must("", "send", "--to", bob.id, "--text", text)
			if got := texts(bob.must("", "poll")); !slices.Equal(got, []string{text}) {
				t.Fatalf("run %d: Bob reads %q", n, got)
			}
		})
}
