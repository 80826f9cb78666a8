package devnet

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sessiontool/lib/internal/leakcheck"
	"sessiontool/lib/node/ring"
	nodestore "sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/storagehttp"
	"sessiontool/lib/swarm"
)

// A node that joins over HTTP becomes a member like the others: it gets what is stored and gives what it takes.
func TestJoin(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 4, SwarmSize: 2})
	join := func(dir string) (*Running, error) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return Join(t.Context(), JoinOptions{Seed: n.SeedURL(), DataDir: dir, Listener: listener})
	}
	dir := t.TempDir()
	joined, err := join(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, joined) })
	info := joined.Info()
	listed, ok := n.registry.find(info.PubkeyEd25519)
	if !ok || info.SwarmID != swarm.SwarmID(listed.SwarmID) || info.Port != listed.StoragePort || !info.Running {
		t.Fatalf("joined as %+v, listed as %+v", info, listed)
	}
	host := slices.IndexFunc(n.Nodes(), func(other NodeInfo) bool { return other.SwarmID == info.SwarmID })
	if host < 0 {
		t.Fatal("the joined node is alone in its swarm")
	}
	anyKey := rpc20.SwarmParams{PubKey: keyOf(t, n.Nodes(), info.SwarmID)}
	eventually(t, "the others to know the node", func() bool {
		return strings.Contains(string(call(t, n.Nodes()[host], storage.MethodSwarm, anyKey).Body), info.PubkeyEd25519)
	})
	pubKey := store(t, n, host)
	eventually(t, "the joined node to hold the message", func() bool {
		stored, err := joined.node.Messages(pubKey)
		if err != nil {
			t.Fatal(err)
		}
		return len(stored) == 1
	})
	state, err := joined.Inspect()
	if err != nil || len(state.Nodes) != 5 || !state.Nodes[0].Own || state.Nodes[0].Load.Messages != 1 ||
		state.Nodes[1].Own || state.Swarms != 2 || state.Difficulty != 1 {
		t.Errorf("the joined node shows %+v, %v", state, err)
	}
	call(t, info, storage.MethodSwarm, anyKey)
	if figures, err := joined.Figures(0); err != nil || len(figures.Storage) != 1 || len(figures.Durations) == 0 {
		t.Errorf("its figures are %+v, %v", figures, err)
	}
	if _, err := joined.Figures(1); !errors.Is(err, ErrNode) {
		t.Errorf("the figures of another node: %v", err)
	}
	mustClose(t, joined)
	<-joined.Done()

	if again, err := join(dir); err != nil || again.Info().SwarmID != info.SwarmID {
		t.Errorf("joining again: %+v, %v", again, err)
	} else {
		mustClose(t, again)
	}
}

// A second node in the folder of one that runs is refused, and the list goes on naming the place of the first.
func TestJoinTwice(t *testing.T) {
	n := startNetwork(t, Options{RegistryOnly: true})
	dir := t.TempDir()
	join := func() (*Running, error) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return Join(t.Context(), JoinOptions{Seed: n.SeedURL(), DataDir: dir, Listener: listener})
	}
	first, err := join()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, first) })
	if _, err := join(); !errors.Is(err, nodestore.ErrInUse) {
		t.Errorf("a second node in the folder: %v, want ErrInUse", err)
	}
	info := first.Info()
	if listed, ok := n.registry.find(info.PubkeyEd25519); !ok || listed.StoragePort != info.Port {
		t.Errorf("the node is at port %d, and listed as %+v", info.Port, listed)
	}
}

// Nodes keep to the limits that they are given, own nodes and those that join.
func TestLimits(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 1, RateLimit: 1, MaxStoreBytes: 1})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	joined, err := Join(t.Context(), JoinOptions{
		Seed: n.SeedURL(), DataDir: t.TempDir(), Listener: listener, RateLimit: 1, MaxStoreBytes: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, joined) })
	for _, info := range []NodeInfo{n.Nodes()[0], joined.Info()} {
		pubKey := keyOf(t, []NodeInfo{info}, info.SwarmID)
		statuses := make(map[int]int)
		for range 10 {
			statuses[call(t, info, storage.MethodStore, solved(t, pubKey)).Status]++
		}
		if statuses[storage.StatusNotReady] == 0 || statuses[storage.StatusTooManyRequests] == 0 || len(statuses) != 2 {
			t.Errorf("a full node with a limit answers stores with %v", statuses)
		}
	}
}

func TestJoinRefused(t *testing.T) {
	leakcheck.Check(t)
	refusing := &http.Server{Handler: http.NotFoundHandler()}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go refusing.Serve(listener)
	defer refusing.Close()
	for _, test := range []struct {
		seed, listen string
		want         error
	}{
		{"ftp://127.0.0.1", "127.0.0.1:0", ring.ErrSeedURL},
		{"http://127.0.0.1:1", "127.0.0.1:0", storagehttp.ErrUnreachable},
		{"http://" + listener.Addr().String(), "127.0.0.1:0", ring.ErrDirectory},
		{"http://127.0.0.1:1", "0.0.0.0:0", ErrPublicIP},
	} {
		own, err := net.Listen("tcp", test.listen)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Join(t.Context(),
			JoinOptions{Seed: test.seed, DataDir: t.TempDir(), Listener: own}); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.seed, err, test.want)
		}
		if _, err := own.Accept(); err == nil {
			t.Errorf("%s: the listener was left open", test.seed)
		}
	}
}

// A node that joins serves what the network serves, so that a network which asks for a proof of work does so at every
// node; both generations only where the network or the node's owner wants it.
func TestJoinFollowsGeneration(t *testing.T) {
	join := func(n *Network, wanted storage.Generation) NodeInfo {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		joined, err := Join(t.Context(), JoinOptions{Seed: n.SeedURL(), DataDir: t.TempDir(), Listener: listener,
			Generation: wanted})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { mustClose(t, joined) })
		return joined.Info()
	}
	for _, test := range []struct {
		network, wanted storage.Generation
		serves20        bool
		serves28        bool
	}{
		{storage.Generation20, "", true, false}, {storage.Generation28, "", false, true}, {"", "", true, true},
		{storage.Generation20, BothGenerations, true, true}, {"", storage.Generation20, true, false},
	} {
		n := startNetwork(t, Options{Nodes: 4, SwarmSize: 2, Generation: test.network})
		info := join(n, test.wanted)
		owner := keyOf(t, n.Nodes(), info.SwarmID)
		// A store request of either RPC that is refused for what it has, not for its form.
		old := call(t, info, storage.MethodStore, rpc20.StoreParams{PubKey: owner, TTL: "60000", Timestamp: "1",
			Nonce: "AAAAAAAAAAA=", Data: "eA=="})
		today := call(t, info, "info", struct{}{})
		if (today.Status == 200) != test.serves28 || (old.Status == 406) != test.serves20 {
			t.Errorf("a network of %q with a node of %q: 2.0 is answered with %d %q, 2.8 with %d %q", test.network,
				test.wanted, old.Status, old.Body, today.Status, today.Body)
		}
	}
}
