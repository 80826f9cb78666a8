package node

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/swarm"
)

// What a client stores at one node, every member of the swarm soon has, and only those.
func TestStoreReplicateRetrieve(t *testing.T) {
	a, b := swarm.SwarmID(1<<62), swarm.SwarmID(3<<62)
	network := startNetwork(t, []swarm.SwarmID{a, a, a, b, b}, nil)
	alice := newUser(t, a, a, b)

	stored := decode[rpc20.DifficultyAnswer](t,
		network.call(0, storage.MethodStore, solved(t, alice.pubKey(), "aGVsbG8=", time.Now(), time.Hour, 1)), 200)
	if stored.Difficulty != 1 {
		t.Errorf("difficulty is %d, want 1", stored.Difficulty)
	}
	for i := range 3 {
		network.wantStored(i, alice.pubKey(), 1)
		got := decode[rpc20.RetrieveAnswer](t, network.call(i, storage.MethodRetrieve, alice.retrieve("", time.Now())),
			200)
		if len(got.Messages) != 1 || got.Messages[0].Data != "aGVsbG8=" {
			t.Errorf("node %d answers %v", i, got)
		}
		got = decode[rpc20.RetrieveAnswer](t,
			network.call(i, storage.MethodRetrieve, alice.retrieve(got.Messages[0].Hash, time.Now())), 200)
		if len(got.Messages) != 0 {
			t.Errorf("node %d gives the message again after its own hash", i)
		}
	}
	network.wantStored(3, alice.pubKey(), 0)
}

// The same message stored at every member, and twice, is one message everywhere.
func TestDuplicatesAreOne(t *testing.T) {
	id := swarm.SwarmID(5)
	network := startNetwork(t, []swarm.SwarmID{id, id, id}, nil)
	alice := newUser(t, id)
	params := solved(t, alice.pubKey(), "b25jZQ==", time.Now(), time.Hour, 1)
	for i := range 6 {
		decode[rpc20.DifficultyAnswer](t, network.call(i%3, storage.MethodStore, params), 200)
	}
	for i := range 3 {
		network.wantStored(i, alice.pubKey(), 1)
	}
}

// Peers get a message with its texts as they were sent, so its hash is the same there. (At the 2020 server such a
// message stays on the entry node.)
func TestUnusualNumbersReplicate(t *testing.T) {
	id := swarm.SwarmID(5)
	network := startNetwork(t, []swarm.SwarmID{id, id}, nil)
	alice := newUser(t, id)
	params := solved(t, alice.pubKey(), "b2Rk", time.Now(), time.Hour, 1)
	params.TTL = " 03600000 ms"
	decode[rpc20.DifficultyAnswer](t, network.call(0, storage.MethodStore, solve(t, params, 3600000, 1)), 200)
	if network.wantStored(1, alice.pubKey(), 1)[0] != network.wantStored(0, alice.pubKey(), 1)[0] {
		t.Error("the peer holds another message")
	}
}

func TestRestartKeepsKeysAndMessages(t *testing.T) {
	id := swarm.SwarmID(5)
	network := startNetwork(t, []swarm.SwarmID{id}, nil)
	alice := newUser(t, id)
	decode[rpc20.DifficultyAnswer](t,
		network.call(0, storage.MethodStore, solved(t, alice.pubKey(), "a2VlcA==", time.Now(), time.Hour, 1)), 200)
	before, name := network.wantStored(0, alice.pubKey(), 1), network.nodes[0].Keys().Name()
	network.stop(0)
	if _, err := network.try(0, http.MethodGet, storage.StatsPath, nil, nil); err == nil {
		t.Fatal("a stopped node answers")
	}
	network.restart(0)
	if after := network.wantStored(0, alice.pubKey(), 1); after[0] != before[0] {
		t.Errorf("after the restart the node holds %v, before %v", after, before)
	}
	if got := network.nodes[0].Keys().Name(); got != name {
		t.Errorf("after the restart the node is %s, before %s", got, name)
	}
}

// A member that was away while the sender lived gets what it missed. (Restarts of the sender are another matter.)
func TestPushIsRetried(t *testing.T) {
	id := swarm.SwarmID(5)
	network := startNetwork(t, []swarm.SwarmID{id, id}, nil)
	alice := newUser(t, id)
	network.stop(1)
	decode[rpc20.DifficultyAnswer](t,
		network.call(0, storage.MethodStore, solved(t, alice.pubKey(), "bGF0ZXI=", time.Now(), time.Hour, 1)), 200)
	network.restart(1)
	network.wantStored(1, alice.pubKey(), 1)
}

// Stores that arrive together share transactions, and so fsyncs.
func TestGroupCommit(t *testing.T) {
	id := swarm.SwarmID(5)
	network := startNetwork(t, []swarm.SwarmID{id}, nil)
	alice := newUser(t, id)
	const clients, each = 64, 4
	var requests []rpc20.StoreParams
	for i := range clients * each {
		requests = append(requests, solved(t, alice.pubKey(), strings.Repeat("x", i), time.Now(), time.Hour, 1))
	}
	before := storeStatsOf(t, network.nodes[0]).Transactions
	free := network.holdDisk(0)
	var group sync.WaitGroup
	for client := range clients {
		group.Go(func() {
			for i := range each {
				got, err := network.try(0, http.MethodPost, storage.RPCPath, nil,
					request(t, storage.MethodStore, requests[client*each+i]))
				if err != nil || got.status != 200 {
					t.Errorf("store: %v, %v", got, err)
				}
			}
		})
	}
	const waiting = clients / 2
	eventually(t, "stores to wait for the disk",
		func() bool { return storeStatsOf(t, network.nodes[0]).Writing >= waiting })
	free()
	group.Wait()
	network.wantStored(0, alice.pubKey(), clients*each)
	if made := storeStatsOf(t, network.nodes[0]).Transactions - before; made > clients*each-waiting+1 {
		t.Errorf("%d stores took %d transactions", clients*each, made)
	}
}

// holdDisk keeps node i from writing until free is called.
func (n *testNetwork) holdDisk(i int) (free func()) {
	n.t.Helper()
	free = sync.OnceFunc(n.nodes[i].store.Hold())
	n.t.Cleanup(free) // if the test does not come to it
	return free
}

func storeStatsOf(t *testing.T, n *Node) store.Stats {
	t.Helper()
	stats, err := n.store.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

// A node that is storing something has not settled: it may have learned meanwhile that the message belongs elsewhere.
func TestStoringIsNotSettled(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, nil)
	network.wantSettled(0)
	node, params := network.nodes[0], solved(t, newUser(t, 5).pubKey(), "eA==", time.Now(), time.Hour, 1)
	free := network.holdDisk(0)
	answered := make(chan reply, 1)
	go func() { answered <- network.call(0, storage.MethodStore, params) }()
	eventually(t, "the message to be stored", func() bool { return node.storesInFlight.Load() == 1 })
	if settled, err := node.Settled(); settled || err != nil {
		t.Errorf("while it stores a message: settled %v, %v", settled, err)
	}
	free()
	decode[rpc20.DifficultyAnswer](t, <-answered, 200)
	network.wantSettled(0)
}

// Neither has a node that has just learned of a changed network, and has not found out yet what that means.
func TestNewListIsNotSettled(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5, 5}, nil)
	network.wantSettled(0, 1)
	free := network.holdDisk(0) // on which it wants to note who its peers are
	network.move(swarm.NoSwarm, 1)
	network.wantSeen(0)
	if settled, err := network.nodes[0].Settled(); settled || err != nil {
		t.Errorf("while it acts upon the list: settled %v, %v", settled, err)
	}
	free()
	network.wantSettled(0)
}

// A node that learns of a changed network acts on it: it leaves a swarm when the list says so.
func TestMembershipChange(t *testing.T) {
	a, b := swarm.SwarmID(1<<62), swarm.SwarmID(3<<62)
	network := startNetwork(t, []swarm.SwarmID{a, b}, nil)
	alice := newUser(t, a, a, b)
	if got := network.call(1, storage.MethodRetrieve, alice.retrieve("", time.Now())); got.status != 421 {
		t.Fatalf("status %d before the change, want 421", got.status)
	}
	network.states[1].SwarmID = uint64(a)
	network.directory.set(network.states...)
	eventually(t, "the node to move", func() bool {
		return network.call(1, storage.MethodRetrieve, alice.retrieve("", time.Now())).status == 200
	})
	network.states[1].SwarmID = uint64(swarm.NoSwarm)
	network.directory.set(network.states...)
	network.wantSeen(0, 1)
	if network.nodes[1].Ready() {
		t.Error("a decommissioned node is ready")
	}
	swarmOfAlice := decode[rpc20.SwarmAnswer](t,
		network.call(0, storage.MethodSwarm, rpc20.SwarmParams{PubKey: alice.pubKey()}), 200)
	if len(swarmOfAlice.Snodes) != 1 {
		t.Errorf("a decommissioned node is listed: %v", swarmOfAlice)
	}
}

func TestTLSVersions(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, nil)
	for version, welcome := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true,
		tls.VersionTLS13: true} {
		conn, err := network.dialTLS(0, &tls.Config{MinVersion: version, MaxVersion: version})
		if (err == nil) != welcome {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

// Run serves until its context ends, which is no error.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	listener := listen(t, "127.0.0.1:0")
	ended := make(chan error)
	go func() {
		ended <- Run(ctx, Config{DataDir: t.TempDir(), Listener: listener, Directory: &listDirectory{}})
	}()
	client := newClient()
	defer client.CloseIdleConnections()
	response, err := client.Get("https://" + listener.Addr().String() + storage.StatsPath)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// A folder belongs to one running node.
func TestStartRefusesAFolderInUse(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, nil)
	config := network.configs[0]
	config.Listener = listen(t, "127.0.0.1:0")
	if _, err := Start(t.Context(), config); !errors.Is(err, store.ErrInUse) {
		t.Fatalf("a second node in the folder: %v, want ErrInUse", err)
	}
	if _, err := config.Listener.Accept(); err == nil {
		t.Error("the listener was left open")
	}
}
