package devnet

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"sessiontool/lib/internal/await"
	"sessiontool/lib/internal/leakcheck"
	"sessiontool/lib/internal/loopback"
	"sessiontool/lib/onion"
	"sessiontool/lib/pow"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/storagehttp"
	"sessiontool/lib/swarm"
	"sessiontool/lib/x25519"
)

var discard = slog.New(slog.DiscardHandler)

// startNetwork starts a network that the test's end closes, without a goroutine left. Its nodes find their ports free
// when they come back.
func startNetwork(t *testing.T, options Options) *Network {
	t.Helper()
	leakcheck.Check(t)
	options.ListenIP = cmp.Or(options.ListenIP, loopback.Own())
	n, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, n) })
	return n
}

func mustClose(t *testing.T, n interface{ Close(context.Context) error }) {
	t.Helper()
	if err := n.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// store puts a message for a new key into the network at node i, which must be in the key's swarm, and returns the key.
func store(t *testing.T, n *Network, i int) string {
	t.Helper()
	nodes := n.Nodes()
	pubKey := keyOf(t, nodes, nodes[i].SwarmID)
	answer := call(t, nodes[i], storage.MethodStore, solved(t, pubKey))
	if answer.Status != 200 {
		t.Fatalf("storing: %d %s", answer.Status, answer.Body)
	}
	return pubKey
}

// solved makes a message of now, with its proof of work.
func solved(t *testing.T, pubKey string) rpc20.StoreParams {
	t.Helper()
	return solvedData(t, pubKey, "aGk=")
}

// solvedData is solved with data, which is base64.
func solvedData(t *testing.T, pubKey, data string) rpc20.StoreParams {
	t.Helper()
	m := pow.Message{PubKey: pubKey, Timestamp: strconv.FormatInt(time.Now().UnixMilli(), 10), TTL: "3600000",
		Data: data}
	nonce, err := pow.Solve(t.Context(), m.Inner(), pow.Target(m.PayloadLen(), 3600000, 1), pow.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return rpc20.StoreParams{PubKey: pubKey, TTL: m.TTL, Timestamp: m.Timestamp, Data: m.Data,
		Nonce: pow.EncodeNonce(nonce)}
}

// keyOf draws keys until one belongs to swarm id.
func keyOf(t *testing.T, nodes []NodeInfo, id swarm.SwarmID) string {
	t.Helper()
	return userOf(t, nodes, id).ID().String()
}

// userOf draws users until one belongs to swarm id.
func userOf(t *testing.T, nodes []NodeInfo, id swarm.SwarmID) sessionid.Keys {
	t.Helper()
	var ids []swarm.SwarmID
	for _, info := range nodes {
		ids = append(ids, info.SwarmID)
	}
	for {
		seed, err := sessionid.GenerateSeed(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		user := sessionid.KeysFromSeed(seed)
		if chosen, _ := swarm.Choose(swarm.Position(user.X25519.Public), ids); chosen == id {
			return user
		}
	}
}

func call(t *testing.T, info NodeInfo, method string, params any) storagehttp.Answer {
	t.Helper()
	body, err := storage.NewRequest(method, params)
	if err != nil {
		t.Fatal(err)
	}
	return post(t, info, storage.RPCPath, body)
}

func post(t *testing.T, info NodeInfo, path string, body []byte) storagehttp.Answer {
	t.Helper()
	client := storagehttp.NewClient()
	defer client.Close()
	answer, err := client.PostNode(t.Context(), info.IP, info.Port, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// wantStored waits until node i holds a message for pubKey.
func wantStored(t *testing.T, n *Network, i int, pubKey string) {
	t.Helper()
	eventually(t, fmt.Sprintf("node %d to hold a message", i), func() bool {
		stored, err := n.Messages(i, pubKey)
		if err != nil {
			t.Fatal(err)
		}
		return len(stored) == 1
	})
}

// eventually waits for what others bring about.
var eventually = await.Until

// sameSwarm returns the other nodes in the swarm of node i.
func sameSwarm(n *Network, i int) (others []int) {
	nodes := n.Nodes()
	for j, info := range nodes {
		if j != i && info.SwarmID == nodes[i].SwarmID {
			others = append(others, j)
		}
	}
	return others
}

func TestNetwork(t *testing.T) {
	n := startNetwork(t, Options{})
	nodes := n.Nodes()
	sizes, names := make(map[swarm.SwarmID]int), make(map[string]bool)
	for _, info := range nodes {
		sizes[info.SwarmID]++
		names[info.PubkeyEd25519] = true
		if !info.Running || info.IP != loopback.Own() || info.Port == 0 {
			t.Errorf("node %+v", info)
		}
	}
	if len(names) != 12 || !slices.Equal(slices.Collect(maps.Values(sizes)), []int{6, 6}) {
		t.Errorf("%d nodes in swarms of %v, want 12 in two", len(names), sizes)
	}

	pubKey := store(t, n, 0)
	for _, i := range sameSwarm(n, 0) {
		wantStored(t, n, i, pubKey)
	}
	for i, info := range nodes {
		if info.SwarmID != nodes[0].SwarmID {
			if stored, err := n.Messages(i, pubKey); err != nil || len(stored) > 0 {
				t.Errorf("node %d of the other swarm holds %v, %v", i, stored, err)
			}
		}
	}
	if _, err := os.Stat(n.Dir()); err != nil {
		t.Error(err)
	}
	mustClose(t, n)
	if _, err := os.Stat(n.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary folder is still there: %v", err)
	}
}

// A network started again in its folder goes on: nodes, ports, seed URL and messages are the same.
func TestNetworkStartedAgain(t *testing.T) {
	options := Options{Nodes: 4, SwarmSize: 2, Dir: t.TempDir()}
	n := startNetwork(t, options)
	pubKey := store(t, n, 1)
	before, url := n.Nodes(), n.SeedURL()
	mustClose(t, n)

	n = startNetwork(t, options)
	if after := n.Nodes(); !slices.Equal(after, before) || n.SeedURL() != url {
		t.Errorf("before: %s %+v\nafter:  %s %+v", url, before, n.SeedURL(), after)
	}
	wantStored(t, n, 1, pubKey)
	mustClose(t, n)

	options.Nodes = 6
	n = startNetwork(t, options)
	if grown := n.Nodes(); len(grown) != 6 || !slices.Equal(grown[:4], before) {
		t.Errorf("a larger network has %+v", grown)
	}
}

// If a port is taken meanwhile the node gets another one.
func TestNetworkPortTaken(t *testing.T) {
	options := Options{Nodes: 1, Dir: t.TempDir()}
	n := startNetwork(t, options)
	port := n.Nodes()[0].Port
	mustClose(t, n)
	squatter, err := listenAt(n.options.ListenIP, port)
	if err != nil {
		t.Fatal(err)
	}
	defer squatter.Close()
	n = startNetwork(t, options)
	if got := n.Nodes()[0].Port; got == port {
		t.Errorf("the node claims port %d, which is taken", got)
	}
	store(t, n, 0)
}

// A node whose port is taken while it is stopped is listed at its new one.
func TestStoppedNodeLosesItsPort(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 2, SwarmSize: 2})
	before := n.Nodes()
	if err := n.StopNode(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	squatter, err := listenAt(n.options.ListenIP, before[1].Port)
	if err != nil {
		t.Fatal(err)
	}
	defer squatter.Close()
	if err := n.StartNode(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	after := n.Nodes()
	if after[1].Port == before[1].Port || after[0] != before[0] {
		t.Errorf("before: %+v\nafter:  %+v", before, after)
	}
	wantStored(t, n, 0, store(t, n, 1))
	wantStored(t, n, 1, store(t, n, 0))
}

// The ports of a network are not those that the system gives to outgoing connections.
func TestPortsAreBelowThoseOfConnections(t *testing.T) {
	if outgoingPorts() <= lowestPort {
		t.Skip("this system gives all ports to connections")
	}
	n := startNetwork(t, Options{Nodes: 4})
	for _, info := range n.Nodes() {
		if int(info.Port) < lowestPort || int(info.Port) >= outgoingPorts() {
			t.Errorf("a node has port %d", info.Port)
		}
	}
	if int(n.seedPort) < lowestPort || int(n.seedPort) >= outgoingPorts() {
		t.Errorf("the registry has port %d", n.seedPort)
	}
}

func TestStopAndStartNode(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 3, SwarmSize: 3})
	before := n.Nodes()[1]
	pubKey := store(t, n, 1)
	if err := n.StopNode(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if n.Nodes()[1].Running {
		t.Error("a stopped node counts as running")
	}
	for name, err := range map[string]error{
		"stop again":   n.StopNode(t.Context(), 1),
		"no such node": n.StopNode(t.Context(), 3),
		"negative":     n.StartNode(t.Context(), -1),
		"is running":   n.StartNode(t.Context(), 0),
	} {
		if !errors.Is(err, ErrNode) {
			t.Errorf("%s: %v, want ErrNode", name, err)
		}
	}
	if _, err := n.Messages(1, pubKey); !errors.Is(err, ErrNode) {
		t.Errorf("a stopped node holds messages: %v", err)
	}
	missed := store(t, n, 0)
	if err := n.StartNode(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if after := n.Nodes()[1]; after != before {
		t.Errorf("the node came back as %+v, was %+v", after, before)
	}
	wantStored(t, n, 1, pubKey)
	wantStored(t, n, 1, missed)
}

// Guard, two relays and target: what a client's onion meets.
func TestOnionThroughTheNetwork(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 8, SwarmSize: 4})
	nodes := n.Nodes()
	n.mu.Lock()
	var hops []onion.Hop
	for _, m := range n.members {
		hops = append(hops, onion.Hop{Ed25519: m.keys.Ed25519.Public(), X25519: x25519.PublicKey(m.keys.X25519.Public)})
	}
	n.mu.Unlock()
	payload, err := storage.NewRequest(storage.MethodSwarm,
		rpc20.SwarmParams{PubKey: keyOf(t, nodes, nodes[0].SwarmID)})
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []onion.Version{onion.V1, onion.V2} {
		wrapped, err := onion.Wrap(rand.Reader, version, hops[:3], hops[3], payload)
		if err != nil {
			t.Fatal(err)
		}
		answer := post(t, nodes[0], version.Path(), wrapped.Body)
		response, err := wrapped.OpenResponse(answer.Body)
		if err != nil || response.Status != 200 {
			t.Errorf("version %d: %v, %v", version, response, err)
		}
	}
}

func TestSetDifficulty(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 2})
	if err := n.SetDifficulty(1 << 40); err != nil {
		t.Fatal(err)
	}
	nodes := n.Nodes()
	answer := call(t, nodes[1], storage.MethodStore, rpc20.StoreParams{
		PubKey: keyOf(t, nodes, nodes[1].SwarmID), TTL: "60000",
		Timestamp: strconv.FormatInt(time.Now().UnixMilli(), 10),
	})
	if want := fmt.Sprintf(`{"difficulty":%d}`, 1<<40); answer.Status != 432 || string(answer.Body) != want {
		t.Errorf("answer %d %s, want 432 %s", answer.Status, answer.Body, want)
	}
}

// A node that cannot keep the difficulty on its disk is an error, and the others ask for it nevertheless.
func TestSetDifficultyReportsTheDisk(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 2})
	if err := n.members[0].node.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if done := n.execute(t.Context(), order{Difficulty: 1 << 40}); done.Error == "" {
		t.Error("a closed node has kept the difficulty")
	}
	nodes := n.Nodes()
	answer := call(t, nodes[1], storage.MethodStore, rpc20.StoreParams{
		PubKey: keyOf(t, nodes, nodes[1].SwarmID), TTL: "60000",
		Timestamp: strconv.FormatInt(time.Now().UnixMilli(), 10),
	})
	if want := fmt.Sprintf(`{"difficulty":%d}`, 1<<40); answer.Status != 432 || string(answer.Body) != want {
		t.Errorf("answer %d %s, want 432 %s", answer.Status, answer.Body, want)
	}
}

func TestStartRefuses(t *testing.T) {
	leakcheck.Check(t)
	inUse := startNetwork(t, Options{Nodes: 1, Dir: t.TempDir()})
	before, err := os.ReadFile(filepath.Join(inUse.Dir(), registryFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string]Options{
		"too many nodes": {Nodes: MaxNodes + 1},
		"no nodes":       {Nodes: -1},
		"no swarm size":  {SwarmSize: -1},
		"no such IP":     {ListenIP: "192.0.2.1", Nodes: 1},
		"folder in use":  {Nodes: 1, Dir: inUse.Dir()},
	} {
		if n, err := Start(t.Context(), options); err == nil {
			t.Errorf("%s: a network was started", name)
			mustClose(t, n)
		}
	}
	after, err := os.ReadFile(filepath.Join(inUse.Dir(), registryFile))
	if err != nil || !bytes.Equal(after, before) {
		t.Errorf("the registry in use was changed: %v", err)
	}
}
