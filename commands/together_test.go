package commands

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Fifty processes at once work on one account: they send, poll, read the inbox and list contacts. None fails, each
// message that waited is printed by one poll, and each that was sent arrives once.
func TestFiftyProcesses(t *testing.T) {
	net := startDevnet(t, usual)
	alice, bob := newPerson(t, net.SeedURL(), "Alice"), newPerson(t, net.SeedURL(), "Bob")
	befriend(t, alice, bob)
	var waiting, sent []string
	for i := range 10 {
		waiting = append(waiting, fmt.Sprintf("waiting %02d", i))
	}
	bob.must(draftLines(alice.id, waiting...), "send")

	var runs [][]string
	for i := range 20 {
		text := fmt.Sprintf("sent %02d", i)
		sent = append(sent, text)
		runs = append(runs, []string{"send", "--to", bob.id, "--text", text})
	}
	for range 10 {
		runs = append(runs, []string{"poll"}, []string{"inbox"}, []string{"contact", "list"})
	}
	results, took := make([]result, len(runs)), make([]time.Duration, len(runs))
	var all sync.WaitGroup
	// The last one waits for what all others do on this machine.
	patience := []string{"--lock-timeout", "1h", "--timeout", "1h"}
	for i, args := range runs {
		all.Go(func() {
			started := time.Now()
			results[i] = alice.run("", "", slices.Concat(patience, args)...)
			took[i] = time.Since(started)
		})
	}
	all.Wait()

	var polled []string
	longest := 0
	for i, r := range results {
		line := strings.Join(runs[i], " ")
		if r.code != 0 {
			t.Errorf("%s: exit %d: %s", line, r.code, r.err)
		}
		switch runs[i][0] {
		case "poll":
			polled = append(polled, texts(r.out)...)
		case "send":
			if strings.Count(r.out, `"ok":true`) == 0 {
				t.Errorf("%s: no receipt: %q", line, r.out)
			}
		}
		if took[i] > took[longest] {
			longest = i
		}
	}
	polled = append(polled, texts(alice.must("", "poll"))...)
	slices.Sort(polled)
	if !slices.Equal(polled, waiting) {
		t.Errorf("the polls print %q", polled)
	}
	got := texts(bob.must("", "poll"))
	slices.Sort(got)
	if !slices.Equal(got, sent) {
		t.Errorf("Bob reads %q", got)
	}
	t.Logf("%d processes at once: the longest, %s, took %s",
		len(runs), runs[longest][0], took[longest].Round(time.Millisecond))
}
