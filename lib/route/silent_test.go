package route

import (
	"net"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/account"
)

// silentRuns is how many processes send and poll each. SESSIONTOOL_TEST_SILENT sets it.
func silentRuns() int {
	if long, err := strconv.Atoi(os.Getenv("SESSIONTOOL_TEST_SILENT")); err == nil {
		return long
	}
	return 12
}

// times are how long something took, one time after the other.
type times []time.Duration

func (t times) worst() time.Duration  { return slices.Max(t) }
func (t times) median() time.Duration { return slices.Sorted(slices.Values(t))[len(t)/2] }

// measures sends and polls from one process after the other, each of which knows what those before have remembered.
func measures(t *testing.T, net *pipeNet, runs int) (sends, polls times) {
	t.Helper()
	aliceConfig, bobConfig := net.config(t), net.config(t)
	aliceConfig.Late, bobConfig.Late = 0, 0
	alice, bob := newPersonWith(t, "alice", aliceConfig, Options{}), newPersonWith(t, "bob", bobConfig, Options{})
	alice.befriends(bob)
	for i := range runs {
		text := strconv.Itoa(i)
		started := time.Now()
		out, err := alice.Account.Send(t.Context(), account.Draft{To: bob.ID(), Text: text})
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := alice.Router.Send(t.Context(), out)
		if err != nil || !receipt.OK {
			t.Fatalf("send %d: %+v, %v", i, receipt, err)
		}
		if err := alice.Finish(t.Context(), out.Seq); err != nil {
			t.Fatal(err)
		}
		wantPending(t, receipt)
		alice.reconnects(aliceConfig)
		sends = append(sends, time.Since(started))

		started = time.Now()
		got, err := bob.tryPoll()
		if err != nil {
			t.Fatalf("poll %d: %v", i, err)
		}
		if !slices.Equal(got, []string{text}) {
			t.Errorf("poll %d has %q", i, got)
		}
		bob.reconnects(bobConfig)
		polls = append(polls, time.Since(started))
	}
	return sends, polls
}

// wantPending checks that a receipt calls pending those, and only those, of which nothing is known.
func wantPending(t *testing.T, receipt account.Receipt) {
	t.Helper()
	for _, node := range receipt.Nodes {
		if node.Pending != (!node.OK && node.Status == 0 && node.Error == "the answer is late") {
			t.Errorf("receipt has %+v", node)
		}
	}
}

// One of ten nodes hangs: it accepts connections and never answers, and relays in front of it report that after 10 s.
// It is a member of every swarm, and may be a guard, a relay or a target. The first process that meets it waits for a
// moment, and later ones do not; no request fails.
func TestOneOfTenHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipes := startPipes(t, 10)
		pipes.silence(net.JoinHostPort("127.0.0.1", strconv.Itoa(seedPort+1)))
		sends, polls := measures(t, pipes, silentRuns())
		t.Logf("send: median %v, worst %v; poll: median %v, worst %v", sends.median(), sends.worst(), polls.median(),
			polls.worst())
		for what, took := range map[string]times{"send": sends, "poll": polls} {
			if took.worst() > 6*time.Second || took.median() > 10*time.Millisecond {
				t.Errorf("%s: %v", what, took)
			}
		}
	})
}
