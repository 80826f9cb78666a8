package network

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/devnet"
	"sessiontool/lib/internal/leakcheck"
	"sessiontool/lib/internal/loopback"
	"sessiontool/lib/onion"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/syncroute"
	"sessiontool/lib/swarm"
)

// startDevnet starts a network of real nodes until the test ends. No node replaces a stopped one.
func startDevnet(t *testing.T, nodes, swarmSize int) *devnet.Network {
	t.Helper()
	net, err := devnet.Start(t.Context(), devnet.Options{Nodes: nodes, SwarmSize: swarmSize, ListenIP: loopback.Own()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), atOnce)
		defer cancel()
		if err := net.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return net
}

// atOnce is what nodes get to end requests that are under way: there are none, but there may be connections on which
// none was made yet.
const atOnce = 100 * time.Millisecond

// Real nodes answer on real paths, in both versions and ciphers, and name the swarms that follow from the registry.
func TestRealNodes(t *testing.T) {
	leakcheck.Check(t)
	net := startDevnet(t, 9, 3)
	config := configOf(t, net.SeedURL())
	for _, layers := range []struct {
		version onion.Version
		cipher  onion.Cipher
	}{{onion.V1, onion.AESGCM}, {onion.V2, onion.AESGCM}, {onion.V2, onion.XChaCha20}} {
		config.OnionVersion, config.OnionCipher = layers.version, layers.cipher
		c := open(t, config)
		nodes, err := c.Nodes(t.Context())
		if err != nil || len(nodes) != 9 {
			t.Fatalf("%d nodes, %v", len(nodes), err)
		}
		var ids []swarm.SwarmID
		for _, node := range nodes {
			ids = append(ids, node.SwarmID)
		}
		for _, node := range nodes {
			answer := ask(t, c, node)
			if snodes, err := storage.ParseSwarm(answer.Body); err != nil || len(snodes) < 3 {
				t.Errorf("%+v: %v, %v", layers, snodes, err)
			}
		}
		for range 5 {
			bob := someone(t)
			members, err := c.LookupSwarm(t.Context(), bob)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := swarm.Choose(swarm.Position(bob.PublicKey()), ids)
			for _, member := range members {
				if member.SwarmID != want {
					t.Errorf("%+v: %s is of swarm %v, want %v", layers, member.Ed25519, member.SwarmID, want)
				}
			}
		}
		closeClient(t, c)
	}
}

// A message is delivered over a real path to a listener on another path. Requests wait meanwhile, and no node is blamed
// for that.
func TestListenOnRealPaths(t *testing.T) {
	leakcheck.Check(t)
	net := startDevnet(t, 9, 9)
	for _, version := range []onion.Version{onion.V1, onion.V2} {
		config := configOf(t, net.SeedURL())
		config.OnionVersion = version
		alice, bob := open(t, config), open(t, configOf(t, net.SeedURL()))
		nodes, err := bob.Nodes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		at, seed := nodes[0], [16]byte{byte(version)}
		keys := sessionid.KeysFromSeed(seed)
		listen := func(now time.Time, wait time.Duration, acks ...syncroute.Ack) []syncroute.Delivery {
			t.Helper()
			answer := call(t, bob, at, syncroute.MethodListen, signedListen(keys, at, now, wait, acks...))
			deliveries, err := syncroute.ParseDeliveries(answer.Body)
			if err != nil || answer.Status != storage.StatusOK {
				t.Fatalf("listening: %+v, %v", answer, err)
			}
			return deliveries
		}
		start := time.Now()
		listen(start, 0)
		delivered := make(chan Answer, 1)
		go func() {
			defer close(delivered) // also when call ends the test
			params := syncroute.DeliverParams{PubKey: keys.ID().String(), Data: "aGVsbG8=",
				WaitMillis: syncroute.MaxWait.Milliseconds()}
			delivered <- call(t, alice, at, syncroute.MethodDeliver, params)
		}()
		got := listen(start.Add(time.Millisecond), syncroute.MaxWait)
		if len(got) != 1 || got[0].Data != "aGVsbG8=" {
			t.Fatalf("version %d: heard %v", version, got)
		}
		ack := [syncroute.AckSize]byte{1}
		acks := []syncroute.Ack{{ID: got[0].ID, Ack: base64.StdEncoding.EncodeToString(ack[:])}}
		if more := listen(start.Add(2*time.Millisecond), 500*time.Millisecond, acks...); len(more) != 0 {
			t.Errorf("version %d: heard %v again", version, more)
		}
		answer := <-delivered
		if told, err := syncroute.ParseAck(answer.Body); err != nil || answer.Status != storage.StatusOK ||
			told != ack {
			t.Errorf("version %d: delivering: %+v, %v", version, answer, err)
		}
		for _, node := range nodes {
			if hasFailed(alice, node.Ed25519) || hasFailed(bob, node.Ed25519) {
				t.Errorf("version %d: node %s is blamed", version, node.Ed25519)
			}
		}
		closeClient(t, alice)
		closeClient(t, bob)
	}
}

// signedListen makes the parameters of a listen request.
func signedListen(keys sessionid.Keys, at Node, now time.Time, wait time.Duration,
	acks ...syncroute.Ack) syncroute.ListenParams {
	public := keys.Ed25519Public()
	p := syncroute.ListenParams{
		PubKey: keys.ID().String(), PubkeyEd25519: Key(public).String(), Timestamp: strconv.FormatInt(now.UnixMilli(),
			10),
		Listener: strings.Repeat("01", syncroute.DeliveryIDSize), WaitMillis: wait.Milliseconds(), Acks: acks,
	}
	signature := keys.Sign(syncroute.ListenSignatureText(p.Timestamp, p.Listener, at.Ed25519.String()))
	p.Signature = base64.StdEncoding.EncodeToString(signature[:])
	return p
}

// call makes a storage request and fails the test if there is no answer.
func call(t *testing.T, c *Client, target Node, method string, params any) Answer {
	t.Helper()
	body, err := storage.NewRequest(method, params)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Request(t.Context(), target, body)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// stop stops the node of a devnet with this key.
func stop(t *testing.T, net *devnet.Network, key Key) {
	t.Helper()
	i := slices.IndexFunc(net.Nodes(), func(info devnet.NodeInfo) bool { return info.PubkeyEd25519 == key.String() })
	ctx, cancel := context.WithTimeout(t.Context(), atOnce)
	defer cancel()
	if err := net.StopNode(ctx, i); err != nil {
		t.Fatal(err)
	}
}

// Guard, relay and target are stopped, one after the other.
func TestRealNodesStop(t *testing.T) {
	leakcheck.Check(t)
	net := startDevnet(t, 8, 4)
	c := open(t, configOf(t, net.SeedURL()))
	nodes, err := c.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	target := nodes[0]
	for _, at := range []int{0, 2} {
		group := c.Group()
		path, err := group.path(t.Context(), target.Ed25519)
		if err != nil {
			t.Fatal(err)
		}
		stop(t, net, path[at].Ed25519)
		answer, err := group.Request(t.Context(), target, question(t))
		if err != nil || answer.Status != storage.StatusOK || keysOf(answer.Path)[path[at].Ed25519] {
			t.Errorf("hop %d stopped: %d over %v, %v", at, answer.Status, answer.Path, err)
		}
		if !hasFailed(c, path[at].Ed25519) || hasFailed(c, target.Ed25519) {
			t.Errorf("hop %d stopped: it is blamed: %t, the target is: %t", at, hasFailed(c, path[at].Ed25519),
				hasFailed(c, target.Ed25519))
		}
	}
	stop(t, net, target.Ed25519)
	if _, err := c.Request(t.Context(), target, question(t)); !errors.Is(err, ErrTarget) {
		t.Errorf("target stopped: %v, want ErrTarget", err)
	}
}

// Four nodes are the fewest that make a path and a target.
func TestSmallestNetwork(t *testing.T) {
	leakcheck.Check(t)
	net := startDevnet(t, 4, 4)
	c := open(t, configOf(t, net.SeedURL()))
	nodes, err := c.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes {
		ask(t, c, node)
	}
	members, err := c.Swarm(t.Context(), someone(t))
	if err != nil || len(members) != 4 {
		t.Errorf("swarm has %d members, %v", len(members), err)
	}
	stop(t, net, nodes[0].Ed25519)
	if _, err := c.Request(t.Context(), nodes[1], question(t)); !errors.Is(err, ErrNoPath) {
		t.Errorf("one of four stopped: %v, want ErrNoPath", err)
	}
}

// A state file full of nodes that are all gone, because behind the same seed there is another network now, heals.
func TestEveryNodeIsReplaced(t *testing.T) {
	leakcheck.Check(t)
	var behind atomic.Pointer[url.URL]
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(behind.Load()) }}
	front := serve(t, proxy.ServeHTTP)
	put := func(net *devnet.Network) {
		parsed, err := url.Parse(net.SeedURL())
		if err != nil {
			t.Fatal(err)
		}
		parsed.Path = ""
		behind.Store(parsed)
	}
	config, bob := configOf(t, front), someone(t)

	old := startDevnet(t, 6, 3)
	put(old)
	c := open(t, config)
	gone, err := c.Swarm(t.Context(), bob)
	if err != nil {
		t.Fatal(err)
	}
	closeClient(t, c)
	if err := old.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	fresh := startDevnet(t, 6, 3)
	put(fresh)

	// A run first asks a member of the cached swarm.
	c = open(t, config)
	members, err := c.Swarm(t.Context(), bob)
	if err != nil || !slices.EqualFunc(members, gone, func(a, b Node) bool { return a.Ed25519 == b.Ed25519 }) {
		t.Fatalf("cached are %v, %v; want %v", members, err, gone)
	}
	if _, err := c.Request(t.Context(), members[0], question(t)); !errors.Is(err, ErrTarget) {
		t.Errorf("a node that is gone: %v, want ErrTarget", err)
	}
	members, err = c.Swarm(t.Context(), bob)
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]bool)
	for _, info := range fresh.Nodes() {
		listed[info.PubkeyEd25519] = true
	}
	for _, member := range members {
		if !listed[member.Ed25519.String()] {
			t.Errorf("member %s is gone", member.Ed25519)
		}
		ask(t, c, member)
	}
	// No guard of the old network is left in the file.
	closeClient(t, c)
	for _, guard := range (&stateFile{path: config.StateFile}).load().Guards {
		if !listed[guard.String()] {
			t.Errorf("guard %s is gone", guard)
		}
	}
}
