package devnet

import (
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/devnet/meter"
	"sessiontool/lib/metrics"
	"sessiontool/lib/node/replication"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
)

// A node from outside stays listed for as long as it registers again and again; the time without a registry does not
// count.
func TestSilentNodesAreDropped(t *testing.T) {
	r := newRegistry(t, 2)
	now := day
	r.now = func() time.Time { return now }
	for i := range 2 {
		if err := r.register(announcement(i)); err != nil {
			t.Fatal(err)
		}
	}
	r.state.Nodes = append(r.state.Nodes,
		listing{State: (&member{keys: keys(9), port: 1}).state("127.0.0.1"), Own: true})
	r.adopt(r.state)
	hash := r.hash

	now = day.Add(silentAfter)
	if err := r.register(ring.Registration(keys(1), "192.0.2.1", 1001, now)); err != nil {
		t.Fatal(err)
	}
	if r.hash != hash {
		t.Error("that a node is still there counts as a new block")
	}
	if dropped, err := r.dropSilent(); err != nil || len(dropped) > 0 {
		t.Errorf("dropped %q, %v, before the time", dropped, err)
	}
	now = now.Add(time.Second)
	if dropped, err := r.dropSilent(); err != nil || !slices.Equal(dropped, []string{keys(0).Name()}) {
		t.Errorf("dropped %q, %v", dropped, err)
	}
	if _, listed := r.find(keys(0).Name()); listed || len(r.state.Nodes) != 2 || r.hash == hash {
		t.Errorf("after the time there are %v", r.state.Nodes)
	}

	now = now.Add(time.Hour)
	again, err := loadRegistry(r.path, 2, r.now)
	if err != nil {
		t.Fatal(err)
	}
	if dropped, err := again.dropSilent(); err != nil || len(dropped) > 0 {
		t.Errorf("a registry that comes back drops %q, %v", dropped, err)
	}
}

// Nodes that join a registry form a network. They require the difficulty of the registry.
func TestRegistryAlone(t *testing.T) {
	n := startNetwork(t, Options{RegistryOnly: true, Difficulty: 2})
	if status := n.Status(); status != (Status{Difficulty: 2}) {
		t.Errorf("status %+v", status)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	joined, err := Join(t.Context(), JoinOptions{Seed: n.SeedURL(), DataDir: t.TempDir(), Listener: listener})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, joined) })
	info := joined.Info()
	asksFor := func(difficulty string) bool {
		answer := call(t, info, storage.MethodStore, rpc20.StoreParams{
			PubKey: keyOf(t, []NodeInfo{info}, info.SwarmID), TTL: "345600000",
			Timestamp: strconv.FormatInt(time.Now().UnixMilli(), 10),
			Data:      strings.Repeat("A", storage.MaxDataBytes), // so much that nothing proves it by chance
		})
		return answer.Status == storage.StatusBadProofOfWork && string(answer.Body) == `{"difficulty":`+difficulty+`}`
	}
	if !asksFor("2") {
		t.Error("the node does not ask for the network's difficulty")
	}
	n.SetDifficulty(1 << 40)
	eventually(t, "the node to learn the difficulty", func() bool { return asksFor(strconv.Itoa(1 << 40)) })

	// A registry that has lost the node gets it back.
	n.registry.mu.Lock()
	n.registry.state.Nodes, n.registry.state.Height = nil, n.registry.state.Height+1
	n.registry.adopt(n.registry.state)
	n.registry.mu.Unlock()
	eventually(t, "the node to register again", func() bool { return n.Status().Nodes == 1 })
}

// A registry that listens everywhere is asked on this machine, and takes no nodes that only this machine can reach.
func TestRegistryEverywhere(t *testing.T) {
	n := startNetwork(t, Options{RegistryOnly: true, ListenIP: "0.0.0.0"})
	if !strings.HasPrefix(n.SeedURL(), "http://127.0.0.1:") {
		t.Errorf("the registry is at %s", n.SeedURL())
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	options := JoinOptions{Seed: n.SeedURL(), DataDir: t.TempDir(), Listener: listener}
	if _, err := Join(t.Context(), options); !errors.Is(err, ring.ErrRefused) {
		t.Errorf("a node on the registry's own machine: %v, want ErrRefused", err)
	}
}

// scrape fetches metrics.
func scrape(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.Header.Get("Content-Type") != metrics.ContentType {
		t.Fatalf("%v, %v", response.Header, err)
	}
	return string(body)
}

func TestMetrics(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 3, SwarmSize: 3})
	pubKey := store(t, n, 0)
	for i := range 3 {
		wantStored(t, n, i, pubKey)
	}
	setFault(t, n, Fault{Kind: FaultStop}, "2")
	served, err := meter.Serve("127.0.0.1:0", n, discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := served.Close(t.Context()); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	}()
	name := func(i int) string { return n.Nodes()[i].PubkeyEd25519[:8] }
	var body string
	eventually(t, "the push to be answered, after which it is counted", func() bool {
		body = scrape(t, served.URL())
		return strings.Contains(body,
			`sessiontool_peer_requests_total{node="`+name(1)+`",path="`+replication.PushPath+`",status="200"} 1`+"\n")
	})
	for _, want := range []string{
		`sessiontool_node_up{node="` + name(0) + `"} 1`,
		`sessiontool_node_up{node="` + name(2) + `"} 0`,
		`sessiontool_requests_total{node="` + name(0) + `",endpoint="storage",status="200"} 1`,
		`sessiontool_storage_requests_total{node="` + name(0) + `",method="store",status="200"} 1`,
		`sessiontool_request_duration_seconds_count{node="` + name(0) + `",endpoint="storage"} 1`,
		`sessiontool_messages{node="` + name(1) + `"} 1`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("the metrics lack %s:\n%s", want, body)
		}
	}
	if strings.Contains(body, pubKey[2:]) || strings.Contains(body, `sessiontool_messages{node="`+name(2)) {
		t.Errorf("the metrics say too much:\n%s", body)
	}
}
