package node

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/replication"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/swarm"
)

// store stores a message at node i and returns its hash.
func (n *testNetwork) store(i int, pubKey, data string) {
	n.t.Helper()
	decode[rpc20.DifficultyAnswer](n.t,
		n.call(i, storage.MethodStore, solved(n.t, pubKey, data, time.Now(), time.Hour, 1)), 200)
}

// wantSettled waits until the given nodes have nothing left to give to others.
func (n *testNetwork) wantSettled(nodes ...int) {
	n.t.Helper()
	for _, i := range nodes {
		eventually(n.t, fmt.Sprintf("node %d to settle", i), func() bool {
			settled, err := n.nodes[i].Settled()
			if err != nil {
				n.t.Fatal(err)
			}
			return settled
		})
	}
}

// What the sender has yet to give survives its own restart, too: neither side has to live until the other is there.
func TestQueueSurvivesRestarts(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5, 5}, func(_ int, config *Config) { config.Logger = nil })
	alice := newUser(t, 5).pubKey()
	network.wantSettled(0, 1)
	network.stop(1)
	for i := range 20 {
		network.store(0, alice, strconv.Itoa(i))
	}
	network.stop(0)
	network.restart(0)
	if waiting, err := network.nodes[0].store.PendingCount(); err != nil || waiting != 20 {
		t.Errorf("after the restart %d messages wait (%v), want 20", waiting, err)
	}
	network.restart(1)
	network.wantStored(1, alice, 20)
	network.wantSettled(0, 1)
}

// A node that comes back with an empty disk gets all messages again from the other members.
func TestCatchUpWithEmptyDisk(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5, 5, 5}, nil)
	alice, bob := newUser(t, 5).pubKey(), newUser(t, 5).pubKey()
	for i := range 30 {
		network.store(i%3, alice, strconv.Itoa(i))
		network.store(i%3, bob, strconv.Itoa(i))
	}
	for i := range 3 {
		network.wantStored(i, alice, 30)
	}
	network.wantSettled(0, 1, 2)
	network.stop(2)
	if err := os.RemoveAll(filepath.Join(network.configs[2].DataDir, store.FolderName)); err != nil {
		t.Fatal(err)
	}
	network.stop(1) // one holder is enough
	network.restart(2)
	network.wantStored(2, alice, 30)
	network.wantStored(2, bob, 30)
	network.restart(1)
	network.wantSettled(0, 1, 2)
}

// Two nodes that each lack messages of the other have all of them after one comparison from either side, also over
// several pages.
func TestCompareBothWays(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5, 5}, nil)
	network.wantSettled(0, 1)
	alice, now := newUser(t, 5).pubKey(), time.Now()
	insert := func(i, from, to int) {
		var messages []store.Message
		for k := from; k < to; k++ {
			messages = append(messages, store.NewMessage20(solved(t, alice, strconv.Itoa(k), now, time.Hour, 1)))
		}
		mustInsert(t, network.nodes[i].store, messages...)
	}
	const count = replication.MaxNames + 500
	insert(0, 0, count)
	insert(1, count-100, count+100)
	with := network.nodes[1].members.View().Peers[network.nodes[0].keys.Name()]
	found, given, err := network.nodes[1].replication.Compare(t.Context(), with)
	if err != nil || found != count-100 || given != 100 {
		t.Errorf("found %d, gave %d (%v); want %d and 100", found, given, err, count-100)
	}
	stored, want := network.wantStored(0, alice, count+100), network.wantStored(1, alice, count+100)
	for _, list := range [][]storage.Stored{stored, want} {
		slices.SortFunc(list, func(a, b storage.Stored) int { return strings.Compare(a.Hash, b.Hash) })
	}
	if !slices.Equal(stored, want) {
		t.Error("the nodes do not hold the same")
	}
	if found, given, err := network.nodes[1].replication.Compare(t.Context(), with); found != 0 || given != 0 ||
		err != nil {
		t.Errorf("comparing again found %d, gave %d (%v)", found, given, err)
	}
}

// wantSeen waits until the given nodes have seen the current list, which each learns at a time of its own.
func (n *testNetwork) wantSeen(nodes ...int) {
	n.t.Helper()
	for _, i := range nodes {
		eventually(n.t, "the new list",
			func() bool { return n.nodes[i].members.View().BlockHash == n.directory.blockHash() })
	}
}

// move puts nodes into a swarm.
func (n *testNetwork) move(id swarm.SwarmID, nodes ...int) {
	for _, i := range nodes {
		n.states[i].SwarmID = uint64(id)
	}
	n.directory.set(n.states...)
}

// Swarms split, merge, dissolve and lose nodes; messages go where their owners look for them.
func TestHandOver(t *testing.T) {
	a, b, none := swarm.SwarmID(1<<62), swarm.SwarmID(3<<62), swarm.NoSwarm
	for _, test := range []struct {
		name          string
		before, after []swarm.SwarmID
		want          []int // who has the messages of a key of b in the end
	}{
		{"a new member", []swarm.SwarmID{b, b, none}, []swarm.SwarmID{b, b, b}, []int{0, 1, 2}},
		{"a new swarm", []swarm.SwarmID{a, a, none, none}, []swarm.SwarmID{a, a, b, b}, []int{2, 3}},
		{"a split", []swarm.SwarmID{a, a, a, a}, []swarm.SwarmID{a, a, b, b}, []int{2, 3}},
		{"a merger", []swarm.SwarmID{a, a, b, b}, []swarm.SwarmID{a, a, a, a}, []int{0, 1, 2, 3}},
		{"a swarm dissolved, its nodes retired", []swarm.SwarmID{a, a, b, b}, []swarm.SwarmID{a, a, none, none},
			[]int{0, 1}},
		{"all change places", []swarm.SwarmID{a, a, b, b}, []swarm.SwarmID{b, b, a, a}, []int{0, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			network := startNetwork(t, test.before, nil)
			entry := slices.IndexFunc(network.nodes, func(n *Node) bool { return n.Ready() })
			bob := newUser(t, b, a, b).pubKey()
			if slices.Contains(test.before, b) {
				entry = slices.Index(test.before, b)
			}
			for i := range 25 {
				network.store(entry, bob, strconv.Itoa(i))
			}
			for i, id := range test.after {
				network.states[i].SwarmID = uint64(id)
			}
			network.directory.set(network.states...)
			for _, i := range test.want {
				network.wantStored(i, bob, 25)
			}
			for i := range network.nodes {
				network.wantSeen(i)
				network.wantSettled(i)
			}
		})
	}
}

// A hand-over that a restart interrupts is done afterwards: while the receiver is away, and the holder restarts.
func TestHandOverSurvivesRestarts(t *testing.T) {
	a, b := swarm.SwarmID(1<<62), swarm.SwarmID(3<<62)
	network := startNetwork(t, []swarm.SwarmID{a, swarm.NoSwarm}, nil)
	bob := newUser(t, b, a, b).pubKey()
	network.store(0, bob, "x")
	network.stop(1)
	network.move(b, 1)
	network.wantSeen(0)
	if settled, err := network.nodes[0].Settled(); settled || err != nil {
		t.Errorf("a node that owes a message has settled (%v)", err)
	}
	network.stop(0)
	network.restart(0)
	network.restart(1)
	network.wantStored(1, bob, 1)
	network.wantSettled(0)
}

// Only members of the same swarm read each other's messages, and only those of their swarm; strangers get nothing.
func TestComparisonIsForMembers(t *testing.T) {
	a, b := swarm.SwarmID(1<<62), swarm.SwarmID(3<<62)
	network := startNetwork(t, []swarm.SwarmID{a, a, b}, nil)
	alice, bob := newUser(t, a, a, b).pubKey(), newUser(t, b, a, b).pubKey()
	mine, foreign := store.NewMessage20(solved(t, alice, "x", time.Now(), time.Hour, 1)), store.NewMessage20(solved(t,
		bob, "x", time.Now(), time.Hour, 1))
	mustInsert(t, network.nodes[0].store, mine, foreign)
	name := func(m store.Message) []byte {
		name := store.NameOf(m)
		return name[:]
	}
	everything := bytesOf(0xff, store.DigestSlots/8)
	stranger := ring.KeysFromSeed([32]byte{9})
	for _, test := range []struct {
		what   string
		from   ring.Keys
		path   string
		body   []byte
		status int
	}{
		{"member", network.nodes[1].keys, replication.DigestPath, nil, 200},
		{"member", network.nodes[1].keys, replication.NamesPath, append(everything, make([]byte, store.NameSize)...),
			200},
		{"member", network.nodes[1].keys, replication.FetchPath, name(mine), 200},
		{"member", network.nodes[1].keys, replication.FetchPath, name(foreign), 403},
		{"member", network.nodes[1].keys, replication.FetchPath, name(mine)[1:], 400},
		{"member", network.nodes[1].keys, replication.FetchPath, make([]byte, (replication.MaxNames+1)*store.NameSize),
			400},
		{"member", network.nodes[1].keys, replication.NamesPath, everything, 400},
		{"member", network.nodes[1].keys, replication.OfferPath, name(mine)[1:], 400},
		{"node of another swarm", network.nodes[2].keys, replication.DigestPath, nil, 403},
		{"node of another swarm", network.nodes[2].keys, replication.NamesPath,
			append(everything, make([]byte, store.NameSize)...), 403},
		{"node of another swarm", network.nodes[2].keys, replication.FetchPath, name(mine), 403},
		{"node of another swarm", network.nodes[2].keys, replication.OfferPath, name(mine), 200},
		{"stranger", stranger, replication.DigestPath, nil, 401},
		{"stranger", stranger, replication.NamesPath, append(everything, make([]byte, store.NameSize)...), 401},
		{"stranger", stranger, replication.FetchPath, name(mine), 401},
		{"stranger", stranger, replication.OfferPath, name(mine), 401},
	} {
		header := make(http.Header)
		peerhttp.Sign(header, test.from, network.nodes[0].keys.Name(), test.path, time.Now(), test.body)
		if got := network.do(0, http.MethodPost, test.path, header, test.body); got.status != test.status {
			t.Errorf("%s asks %s: %d %.80q, want %d", test.what, test.path, got.status, got.body, test.status)
		}
		// A request that is signed for another path is refused.
		peerhttp.Sign(header, test.from, network.nodes[0].keys.Name(), "/elsewhere", time.Now(), test.body)
		if got := network.do(0, http.MethodPost, test.path, header, test.body); got.status != 401 {
			t.Errorf("%s asks %s with the signature for another path: %d", test.what, test.path, got.status)
		}
	}
}

func bytesOf(b byte, count int) []byte { return []byte(strings.Repeat(string([]byte{b}), count)) }

// An impostor at a node's address, who does not have its key, is not talked to.
func TestImpostorGetsNothing(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5, 5}, nil)
	target := network.nodes[0].members.View().Others()[0]
	impostor := *target
	impostor.HostPort = network.address(0) // another node answers there
	client := peerhttp.NewClient(func(string) *ring.Peer { return &impostor }, Config{}.withDefaults().DialContext)
	defer client.CloseIdleConnections()
	c := peerhttp.Caller{Client: client, Keys: network.nodes[0].keys, Now: time.Now}
	if _, err := c.Call(t.Context(), target, replication.DigestPath, nil, 1<<20); err == nil ||
		!strings.Contains(err.Error(), ring.ErrIdentity.Error()) {
		t.Errorf("calling a node that has another key: %v, want errIdentity", err)
	}
}
