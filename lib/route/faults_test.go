package route

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/devnet"
	"sessiontool/lib/internal/await"
)

// talker sends texts to one recipient, each as its own process.
type talker struct {
	*person
	to   *person
	sent atomic.Int64
}

func (p *person) talksTo(to *person, patience time.Duration) *talker {
	anew := p.anew(p.Name() + " talks")
	anew.Router = New(anew.Account, p.network, Options{AckTimeout: patience})
	return &talker{person: anew, to: to}
}

// talk sends texts named by their numbers. The next process sends a text that cannot be sent now.
func (k *talker) talk(count int) (routes map[string]int) {
	routes = make(map[string]int)
	for i := range count {
		routes[k.say(strconv.Itoa(i))]++
	}
	return routes
}

// say sends one text and returns the result.
func (k *talker) say(text string) (how string) {
	k.t.Helper()
	defer k.sent.Add(1)
	out, err := k.Account.Send(k.t.Context(), account.Draft{To: k.to.ID(), Text: text})
	if err != nil {
		k.t.Error(err)
		return "failed"
	}
	receipt, err := k.Router.Send(k.t.Context(), out)
	if err == nil {
		err = k.Finish(k.t.Context(), out.Seq)
	}
	if err != nil {
		return "left"
	}
	return fmt.Sprint(receipt.Route, " ", receipt.Reason)
}

// trouble is something that goes wrong with nodes, of which the first two are those where alice and bob listen.
type trouble struct {
	name  string
	fault devnet.Fault
	nodes func(listening []string) []string
}

func listeningNodes(listening []string) []string { return listening }
func firstOf(listening []string) []string        { return listening[:1] }
func everywhere([]string) []string               { return []string{"all"} }

var troubles = []trouble{
	{"a listening node stops", devnet.Fault{Kind: devnet.FaultStop}, firstOf},
	{"both move at once", devnet.Fault{Kind: devnet.FaultStop}, listeningNodes},
	{"nodes forget who listens", devnet.Fault{Kind: devnet.FaultRestart}, listeningNodes},
	{"acknowledgements are lost", devnet.Fault{Kind: devnet.FaultDropAnswers, Requests: "deliver", Share: 0.3},
		everywhere},
	{"answers to those who listen are lost",
		devnet.Fault{Kind: devnet.FaultDropAnswers, Requests: "listen", Share: 0.2}, everywhere},
	{"deliveries take longer than anybody waits",
		devnet.Fault{Kind: devnet.FaultDelay, Requests: "deliver", Delay: 2 * time.Second}, listeningNodes},
	{"the listening nodes are cut off", devnet.Fault{Kind: devnet.FaultPartition}, listeningNodes},
	{"nodes believe to be elsewhere", devnet.Fault{Kind: devnet.FaultWrongSwarm, Share: 0.5}, listeningNodes},
	{"the method is gone", devnet.Fault{Kind: devnet.FaultNoMethod}, firstOf},
}

// Two people talk to each other while everything goes wrong that can: nothing is lost, nothing is read twice, and
// afterwards they have the synchronous route again. SESSIONTOOL_TEST_SYNC is the number of texts each way.
func TestTalkThroughTrouble(t *testing.T) {
	count := 100
	if testing.Short() {
		count = 2 * (2*len(troubles) + 1)
	}
	if long, err := strconv.Atoi(os.Getenv("SESSIONTOOL_TEST_SYNC")); err == nil {
		count = long
	}
	net := startDevnet(t, 14, 6)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	options := ListenOptions{PollInterval: 200 * time.Millisecond}
	listeners := []*listenProcess{alice.listens("alice listens", options), bob.listens("bob listens", options)}
	alice.knows(bob, listeners[1].node())
	bob.knows(alice, listeners[0].node())

	started := time.Now()
	const patience = 300 * time.Millisecond
	talkers := []*talker{alice.talksTo(bob, patience), bob.talksTo(alice, patience)}
	var talking sync.WaitGroup
	for _, talker := range talkers {
		talking.Go(func() { t.Logf("%s: %v", talker.Name(), talker.talk(count)) })
	}
	makeTrouble(t, net, listeners, talkers, count)
	talking.Wait()
	t.Logf("all is said after %v", time.Since(started).Round(time.Millisecond))

	want := make([]string, count)
	for i := range want {
		want[i] = strconv.Itoa(i)
	}
	for _, listener := range listeners {
		listener.wantAll(want)
	}
	t.Logf("all is heard after %v", time.Since(started).Round(time.Millisecond))
	again := []*talker{alice.talksTo(bob, time.Second), bob.talksTo(alice, time.Second)}
	eventually(t, "both to have the synchronous route again", func() bool {
		both := true
		for i, talker := range again {
			listeners[1-i].forget()
			both = talker.talk(1)["sync "] == 1 && both
			listeners[1-i].wantAll([]string{"0"})
		}
		return both
	})
	t.Logf("all is well after %v", time.Since(started).Round(time.Millisecond))
}

// longestTrouble is how long a trouble lasts at most.
const longestTrouble = 4 * time.Second

// makeTrouble makes one trouble after the other while people talk: for the same part of what they have to say each,
// with a time of peace behind it.
func makeTrouble(t *testing.T, net *devnet.Network, listeners []*listenProcess, talkers []*talker, count int) {
	t.Helper()
	part := int64(count / (2*len(troubles) + 1))
	said := func(parts int, patience time.Duration) {
		started := time.Now()
		for _, talker := range talkers {
			for talker.sent.Load() < int64(parts)*part && time.Since(started) < patience {
				<-time.After(5 * time.Millisecond)
			}
		}
	}
	for i, trouble := range troubles {
		said(2*i+1, time.Minute)
		listening := []string{listeners[0].node(), listeners[1].node()}
		slices.Sort(listening)
		started := time.Now()
		if _, err := net.SetFault(t.Context(), trouble.nodes(slices.Compact(listening)), trouble.fault); err != nil {
			t.Error(err)
		}
		said(2*i+2, longestTrouble)
		if _, err := net.ClearFaults(t.Context(), nil); err != nil {
			t.Error(err)
		}
		t.Logf("%s: %v", trouble.name, time.Since(started).Round(time.Millisecond))
	}
}

// forget forgets what was heard.
func (e *listenProcess) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.events = nil
}

// wantAll waits until as many texts have come as are wanted, and a while longer, and compares.
func (e *listenProcess) wantAll(want []string) {
	e.t.Helper()
	var got []string
	deadline := time.After(await.Hang)
	for got, _ = e.texts(); len(got) < len(want); got, _ = e.texts() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			e.t.Fatalf("%s heard %d of %d texts", e.Name(), len(got), len(want))
		}
	}
	want = slices.Sorted(slices.Values(want))
	if slices.Sort(got); !slices.Equal(got, want) {
		e.t.Fatalf("%s heard %q, not %q", e.Name(), got, want)
	}
}
