package devnet

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	"sessiontool/lib/devnet/meter"
	"sessiontool/lib/internal/leakcheck"
	"sessiontool/lib/metrics"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/storagehttp"
	"sessiontool/lib/storage/syncroute"
)

func setFault(t *testing.T, n *Network, fault Fault, nodes ...string) []NodeFault {
	t.Helper()
	set, err := n.SetFault(t.Context(), nodes, fault)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func clearFaults(t *testing.T, n *Network, kinds ...FaultKind) {
	t.Helper()
	if _, err := n.ClearFaults(t.Context(), nil, kinds...); err != nil {
		t.Fatal(err)
	}
	if left := n.Faults(); len(left) > 0 {
		t.Fatalf("after clearing there is %v", left)
	}
}

// getStats asks a node for its version, as the devnet itself does to see whether it is there.
func getStats(t *testing.T, info NodeInfo) (storagehttp.Answer, error) {
	t.Helper()
	client := storagehttp.NewClient()
	defer client.Close()
	return client.GetNode(t.Context(), info.IP, info.Port, storage.StatsPath)
}

func TestFaultDrop(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 2})
	nodes := n.Nodes()
	setFault(t, n, Fault{Kind: FaultDrop}, "1")
	if answer, err := getStats(t, nodes[1]); !errors.Is(err, storagehttp.ErrUnreachable) {
		t.Errorf("a dropped request got %v, %v", answer, err)
	}
	if _, err := getStats(t, nodes[0]); err != nil {
		t.Errorf("the other node: %v", err)
	}
	// A node can be restarted whatever goes wrong with it, and then it goes wrong again.
	setFault(t, n, Fault{Kind: FaultRestart}, "1")
	if answer, err := getStats(t, nodes[1]); err == nil {
		t.Errorf("after a restart a dropped request got %v", answer)
	}
	clearFaults(t, n, FaultDrop)
	if _, err := getStats(t, nodes[1]); err != nil {
		t.Error(err)
	}
	setFault(t, n, Fault{Kind: FaultDrop, Share: 0.5})
	answered := 0
	for range 200 {
		if _, err := getStats(t, nodes[0]); err == nil {
			answered++
		}
	}
	if answered < 50 || answered > 150 { // seven sigma
		t.Errorf("%d of 200 requests were answered, about half should be", answered)
	}
}

// A fault can be narrowed to one kind of request: here messages reach a node, but do not spread from it.
func TestFaultOfSomeRequests(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 2})
	setFault(t, n, Fault{Kind: FaultDrop, Requests: "peer"})
	pubKey := store(t, n, 0)
	eventually(t, "a push to be dropped", func() bool {
		return slices.ContainsFunc(n.members[1].meter.Requests(), func(c metrics.Count) bool {
			return c.What == meter.Peer && c.Status == 0
		})
	})
	if stored, err := n.Messages(1, pubKey); err != nil || len(stored) > 0 {
		t.Errorf("the other node holds %d messages, %v", len(stored), err)
	}
	clearFaults(t, n)
	wantStored(t, n, 1, pubKey)
}

func TestFaultDelay(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 1})
	info := n.Nodes()[0]
	const delay = 50 * time.Millisecond
	setFault(t, n, Fault{Kind: FaultDelay, Delay: delay, Jitter: time.Millisecond})
	started := time.Now()
	if _, err := getStats(t, info); err != nil || time.Since(started) < delay {
		t.Errorf("answered after %v, %v", time.Since(started), err)
	}
	// A node that stops does not wait for delayed requests.
	setFault(t, n, Fault{Kind: FaultDelay, Delay: maxFaultDelay})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	waiting := make(chan error)
	client := storagehttp.NewClient()
	defer client.Close()
	go func() {
		_, err := client.GetNode(ctx, info.IP, info.Port, storage.StatsPath)
		waiting <- err
	}()
	setFault(t, n, Fault{Kind: FaultStop})
	<-waiting // answered or cut off, but not held up
}

// Nodes of different partitions do not reach each other, in whichever direction, while clients reach all. When the
// partition ends, what was missed arrives.
func TestFaultPartition(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 3, SwarmSize: 3})
	first := store(t, n, 0)
	for i := range 3 {
		wantStored(t, n, i, first) // so that there are connections to cut
	}
	setFault(t, n, Fault{Kind: FaultPartition}, "0", "1")
	inside, outside := store(t, n, 0), store(t, n, 2)
	wantStored(t, n, 1, inside)
	for i, pubKey := range map[int]string{2: inside, 0: outside} {
		if stored, err := n.Messages(i, pubKey); err != nil || len(stored) > 0 {
			t.Errorf("node %d holds %d messages from across the partition, %v", i, len(stored), err)
		}
	}
	clearFaults(t, n)
	wantStored(t, n, 2, inside)
	wantStored(t, n, 0, outside)
}

func TestFaultSkew(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 1})
	setFault(t, n, Fault{Kind: FaultSkew, Skew: -time.Hour})
	answer, err := getStats(t, n.Nodes()[0])
	if off := time.Until(answer.Date) + time.Hour; err != nil || off.Abs() > 5*time.Second {
		t.Errorf("the node's clock shows %v, %v", answer.Date, err)
	}
}

// A node that believes to be in another swarm says so to clients that ask directly and to those that come in an onion.
func TestFaultWrongSwarm(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 8, SwarmSize: 4})
	nodes := n.Nodes()
	setFault(t, n, Fault{Kind: FaultWrongSwarm}, nodes[0].PubkeyEd25519)
	params := rpc20.SwarmParams{PubKey: keyOf(t, nodes, nodes[0].SwarmID)}
	isWrong := func(body string) bool {
		snodes, err := storage.ParseSwarm(body)
		return err == nil && len(snodes) == 4 && !slices.ContainsFunc(snodes, func(s storage.Snode) bool {
			return slices.ContainsFunc(nodes, func(info NodeInfo) bool {
				return info.PubkeyEd25519 == s.PubkeyEd25519 && info.SwarmID == nodes[0].SwarmID
			})
		})
	}
	if answer := call(t, nodes[0], storage.MethodStore, params); answer.Status != storage.StatusWrongSwarm ||
		!isWrong(string(answer.Body)) {
		t.Errorf("direct: %d %s", answer.Status, answer.Body)
	}
	target := onion.Hop{Ed25519: n.members[0].keys.Ed25519.Public(), X25519: n.members[0].keys.X25519.Public}
	for _, version := range []onion.Version{onion.V1, onion.V2} {
		for method, want := range map[string]int{storage.MethodRetrieve: storage.StatusWrongSwarm,
			storage.MethodSwarm: storage.StatusOK} {
			payload, err := storage.NewRequest(method, params)
			if err != nil {
				t.Fatal(err)
			}
			request, err := onion.Wrap(rand.Reader, version, nil, target, payload)
			if err != nil {
				t.Fatal(err)
			}
			response, err := request.OpenResponse(post(t, nodes[0], version.Path(), request.Body).Body)
			if err != nil || response.Status != want || !isWrong(response.Body) {
				t.Errorf("version %d, %s: %v, %v", version, method, response, err)
			}
		}
	}
	if answer := call(t, nodes[0], "tea", params); answer.Status != storage.StatusBadRequest {
		t.Errorf("another method: %d %s", answer.Status, answer.Body)
	}
}

func TestFaultCorrupt(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 1})
	intact, err := getStats(t, n.Nodes()[0])
	if err != nil {
		t.Fatal(err)
	}
	setFault(t, n, Fault{Kind: FaultCorrupt})
	if answer, err := getStats(t, n.Nodes()[0]); err != nil || bytes.Equal(answer.Body, intact.Body) {
		t.Errorf("the answer is intact: %s, %v", answer.Body, err)
	}
}

func TestFaultStopAndList(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 3})
	setFault(t, n, Fault{Kind: FaultStop}, "2")
	setFault(t, n, Fault{Kind: FaultStop}, "2") // is stopped already
	setFault(t, n, Fault{Kind: FaultDelay, Delay: time.Millisecond}, "0")
	setFault(t, n, Fault{Kind: FaultDelay, Delay: 2 * time.Millisecond}, "0", "0")
	nodes := n.Nodes()
	want := []NodeFault{
		{Fault: Fault{Kind: FaultDelay, Share: 1, Delay: 2 * time.Millisecond}, Index: 0,
			PubkeyEd25519: nodes[0].PubkeyEd25519},
		{Fault: Fault{Kind: FaultStop}, Index: 2, PubkeyEd25519: nodes[2].PubkeyEd25519},
	}
	if got := n.Faults(); !slices.Equal(got, want) {
		t.Errorf("faults are %v, want %v", got, want)
	}
	if nodes[2].Running {
		t.Error("the stopped node runs")
	}
	cleared, err := n.ClearFaults(t.Context(), nil, FaultStop)
	if err != nil || !slices.Equal(cleared, want[1:]) || !n.Nodes()[2].Running {
		t.Errorf("cleared %v, %v", cleared, err)
	}
	clearFaults(t, n)
}

func TestFaultsRefused(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 1})
	for name, fault := range map[string]Fault{
		"no kind":         {},
		"other kind":      {Kind: "rain"},
		"negative share":  {Kind: FaultDrop, Share: -0.1},
		"share above one": {Kind: FaultDrop, Share: 1.5},
		"no delay":        {Kind: FaultDelay},
		"negative delay":  {Kind: FaultDelay, Delay: -1},
		"long delay":      {Kind: FaultDelay, Delay: maxFaultDelay, Jitter: 1},
		"no skew":         {Kind: FaultSkew},
		"negative group":  {Kind: FaultPartition, Group: -1},
		"share of a stop": {Kind: FaultStop, Share: 0.5},
		"skew of a drop":  {Kind: FaultDrop, Skew: 1},
		"other requests":  {Kind: FaultDrop, Requests: "letters"},
		"lacking stats":   {Kind: FaultNoMethod, Requests: "stats"},
		"half a method":   {Kind: FaultNoMethod, Share: 0.5},
	} {
		if _, err := n.SetFault(t.Context(), nil, fault); !errors.Is(err, ErrFault) {
			t.Errorf("%s: %v, want ErrFault", name, err)
		}
	}
	for _, name := range []string{"1", "-1", "x", ""} {
		if _, err := n.SetFault(t.Context(), []string{name}, Fault{Kind: FaultDrop}); !errors.Is(err, ErrNode) {
			t.Errorf("node %q: %v, want ErrNode", name, err)
		}
	}
	if _, err := n.ClearFaults(t.Context(), nil, "rain"); !errors.Is(err, ErrFault) {
		t.Errorf("clearing no kind: %v, want ErrFault", err)
	}
	if left := n.Faults(); len(left) > 0 {
		t.Errorf("refused faults are there: %v", left)
	}
}

func TestParseFault(t *testing.T) {
	for text, want := range map[string]struct {
		fault Fault
		nodes []string
	}{
		"stop":           {fault: Fault{Kind: FaultStop}},
		"drop,share=0.1": {fault: Fault{Kind: FaultDrop, Share: 0.1}},
		"delay,node=3,delay=200ms,jitter=50ms": {
			Fault{Kind: FaultDelay, Delay: 200 * time.Millisecond, Jitter: 50 * time.Millisecond}, []string{"3"},
		},
		"partition,node=0,node=1,group=2": {Fault{Kind: FaultPartition, Group: 2}, []string{"0", "1"}},
		"corrupt,requests=onion":          {fault: Fault{Kind: FaultCorrupt, Requests: "onion"}},
		"drop-answers,requests=deliver":   {fault: Fault{Kind: FaultDropAnswers, Requests: syncroute.MethodDeliver}},
		"no-method,node=1":                {Fault{Kind: FaultNoMethod}, []string{"1"}},
		"skew,skew=-1m":                   {fault: Fault{Kind: FaultSkew, Skew: -time.Minute}},
	} {
		fault, nodes, err := ParseFault(text)
		if err != nil || fault != want.fault || !slices.Equal(nodes, want.nodes) {
			t.Errorf("%s is %+v for %q, %v", text, fault, nodes, err)
		}
	}
	for _, text := range []string{"", "rain", "drop,share=much", "drop,share", "delay,delay=1", "skew,skew=x",
		"partition,group=a", "drop,x=1", "drop,share=0", "drop,share=NaN", "partition,group=0"} {
		if _, _, err := ParseFault(text); !errors.Is(err, ErrFault) {
			t.Errorf("%q: %v, want ErrFault", text, err)
		}
	}
}

func TestFindAll(t *testing.T) {
	leakcheck.Check(t)
	n := startNetwork(t, Options{Nodes: 3})
	for _, names := range [][]string{nil, {"all"}, {"2", "0", "all"}} {
		if got, err := n.Find(names); err != nil || !slices.Equal(got, []int{0, 1, 2}) {
			t.Errorf("%q are %v, %v", names, got, err)
		}
	}
}
