package commands

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"sessiontool/lib/devnet"
	"sessiontool/lib/record"
)

// stopsVariable is the number of drafts in the batches of TestStoppedBatch, which are then stopped at 20 moments.
const stopsVariable = "SESSIONTOOL_TEST_STOPS"

// A batch that is stopped in any way, and run again until it comes to its end, sends each of its texts once. The texts
// of a batch that came to its end are sent again if the same batch is run again.
func TestStoppedBatch(t *testing.T) {
	size, stops := 24, len(stopKinds)
	if long := os.Getenv(stopsVariable); long != "" {
		var err error
		if size, err = strconv.Atoi(long); err != nil {
			t.Fatal(err)
		}
		stops = 20
	}
	net := startDevnet(t, usual)
	alice, bob := newPerson(t, net.SeedURL(), "Alice"), newPerson(t, net.SeedURL(), "Bob")
	befriend(t, alice, bob)
	var want []string
	var drafts strings.Builder
	for i := range size {
		want = append(want, fmt.Sprintf("text %05d", i))
		fmt.Fprintf(&drafts, "{\"to\":%q,\"text\":%q,\"ref\":\"%d\"}\n", bob.id, want[i], i)
	}
	for i := range stops {
		kind := stopKinds[i%len(stopKinds)]
		after := 1 + rand.IntN(size*3/4)
		receipts, exit := kind.stop(t, net, alice, drafts.String(), after)
		if !slices.Contains(kind.exits, exit) {
			t.Errorf("%s after %d receipts: exit %d, not one of %v", kind.name, after, exit, kind.exits)
		}
		if exit == record.ExitOK { // it ended before it was stopped: the same texts again would be new messages
			if got := texts(bob.must("", "poll")); len(got) != size {
				t.Errorf("%s: Bob reads %d texts of a batch that ended", kind.name, len(got))
			}
			continue
		}
		again := alice.run("", drafts.String(), "send")
		if printed := strings.Count(again.out, "\n"); again.code != record.ExitOK || printed != size {
			t.Fatalf("%s: the rerun ends with %d and %d receipts: %s", kind.name, again.code, printed, again.err)
		}
		repeated := strings.Count(again.out, `"repeated":true`)
		if repeated == 0 && receipts > 0 { // a receipt that was printed last may not be kept; then the same bytes go again
			t.Errorf("%s: %d receipts, of which the rerun repeats none", kind.name, receipts)
		}
		got := texts(bob.must("", "poll"))
		t.Logf("%s after %d receipts, exit %d: the rerun repeats %d of %d, Bob reads %d", kind.name, receipts, exit,
			repeated, size, len(got))
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Fatalf("%s after %d receipts: Bob reads %d texts, not %d", kind.name, receipts, len(got), len(want))
		}
	}
}

// stopKind is a way in which a batch can end before its time. do stops it, and undo makes a rerun possible.
type stopKind struct {
	name     string
	exits    []int
	args     []string
	do, undo func(*testing.T, *devnet.Network, *exec.Cmd, io.Closer)
}

func signalled(signal syscall.Signal) func(*testing.T, *devnet.Network, *exec.Cmd, io.Closer) {
	return func(t *testing.T, _ *devnet.Network, cmd *exec.Cmd, _ io.Closer) { cmd.Process.Signal(signal) }
}

// stopKinds are the ways. A process that a signal kills has exit code -1. One that has ended before has 0.
var stopKinds = []stopKind{
	{name: "TERM", exits: []int{record.ExitTerminated, 0}, do: signalled(syscall.SIGTERM)},
	{name: "INT", exits: []int{record.ExitInterrupt, 0}, do: signalled(syscall.SIGINT)},
	{name: "KILL", exits: []int{-1, 0}, do: signalled(syscall.SIGKILL)},
	{name: "HUP", exits: []int{-1, 129, 0}, do: signalled(syscall.SIGHUP)},
	{
		name: "timeout", exits: []int{record.ExitTimeout, 0}, args: []string{"--timeout", "2s"},
		do: func(t *testing.T, net *devnet.Network, _ *exec.Cmd, _ io.Closer) {
			if _, err := net.SetFault(context.Background(), nil, devnet.Fault{Kind: devnet.FaultHang}); err != nil {
				t.Fatal(err)
			}
		},
		undo: func(t *testing.T, net *devnet.Network, _ *exec.Cmd, _ io.Closer) {
			if _, err := net.ClearFaults(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
		},
	},
	{
		name: "reader", exits: []int{record.ExitTemporary, 0},
		do: func(_ *testing.T, _ *devnet.Network, _ *exec.Cmd, out io.Closer) { out.Close() },
	},
}

// stop runs a batch and stops it after a number of receipts. It returns how many receipts were printed.
func (k stopKind) stop(t *testing.T, net *devnet.Network, p *person, drafts string, after int) (receipts, exit int) {
	t.Helper()
	cmd := p.command("sessiontool", append([]string{"send"}, k.args...)...)
	cmd.Stdin = strings.NewReader(drafts)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if receipts++; receipts == after {
			k.do(t, net, cmd, out)
		}
	}
	cmd.Wait() // how it ended is in its state
	if k.undo != nil {
		k.undo(t, net, cmd, out)
	}
	return receipts, cmd.ProcessState.ExitCode()
}
