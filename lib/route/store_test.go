package route

import (
	"encoding/base64"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/devnet"
	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/message"
	"sessiontool/lib/network"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
)

const minute = 60_000 // as a time to live

// requestFor is a message of some data.
func requestFor(to sessionid.ID, data string) StoreRequest {
	return StoreRequest{To: to, TTLMillis: minute, Data: base64.StdEncoding.EncodeToString([]byte(data))}
}

// storer is a router without an account.
func storer(t *testing.T, seed string, options Options) (*Router, *network.Client) {
	t.Helper()
	c := newClient(t, configOf(t, seed))
	return New(nil, c, options), c
}

// taken lists the nodes that have the message according to a receipt.
func taken(receipt account.Receipt) (keys []string) {
	for _, node := range receipt.Nodes {
		if node.OK {
			keys = append(keys, node.PubkeyEd25519)
		}
	}
	return keys
}

// Three members of the swarm take the message and spread it to all others.
func TestStore(t *testing.T) {
	net := startDevnet(t, 12, 5)
	router, _ := storer(t, net.SeedURL(), Options{})
	bob := someone(t)
	places := swarmOf(t, net, bob)
	if len(places) < 5 {
		t.Fatalf("the swarm has %d members", len(places))
	}
	before := time.Now().UnixMilli()
	var solved StoreRequest
	request := requestFor(bob, "hello")
	request.Solved = func(q StoreRequest) error {
		solved = q
		return nil
	}
	receipt, err := router.Store(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if !receipt.OK || receipt.To != bob || receipt.Route != message.RouteAsync ||
		receipt.Stored != 3 || receipt.Difficulty != 1 || receipt.TTLMillis != minute || receipt.TimestampMS < before {
		t.Errorf("receipt %+v", receipt)
	}
	if receipt.MessageHash != solved.Hash() || receipt.TimestampMS != solved.StampMS || len(solved.Hash()) != 128 {
		t.Errorf("receipt %+v is not for what was solved: %+v", receipt, solved)
	}
	var members []string
	for _, i := range places {
		members = append(members, net.Nodes()[i].PubkeyEd25519)
	}
	seen := make(map[string]bool)
	for _, node := range receipt.Nodes {
		if !node.OK || node.Status != 200 || node.Error != "" || seen[node.PubkeyEd25519] ||
			!slices.Contains(members, node.PubkeyEd25519) {
			t.Errorf("node %+v", node)
		}
		seen[node.PubkeyEd25519] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d nodes have been asked, want 3", len(seen))
	}
	want := storage.Stored{Data: solved.Data, Expiration: solved.StampMS + minute, Hash: solved.Hash()}
	for _, i := range places {
		eventually(t, fmt.Sprintf("node %d to hold the message", i), func() bool {
			held, err := net.Messages(i, bob.String())
			if err != nil {
				t.Fatal(err)
			}
			return slices.Equal(held, []storage.Stored{want})
		})
	}
}

// With one and with two of the three chosen members dead the message arrives; with all three dead it waits in the
// outbox, and arrives later.
func TestStoreAtDeadMembers(t *testing.T) {
	net := startDevnet(t, 9, 3)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	places := swarmOf(t, net, bob.ID())
	if len(places) != 3 {
		t.Fatalf("the swarm has %d members", len(places))
	}
	for dead, place := range places {
		stop(t, net, place)
		out, err := alice.Account.Send(t.Context(), account.Draft{To: bob.ID(), Text: fmt.Sprintf("%d dead", dead+1)})
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := alice.Router.Send(t.Context(), out)
		if dead < 2 {
			if err != nil || !receipt.OK || receipt.Stored != 2-dead {
				t.Errorf("%d dead: %+v, %v", dead+1, receipt, err)
			}
			continue
		}
		wantError(t, "all dead", err, ErrNotStored)
		if receipt.OK || receipt.Stored != 0 || len(receipt.Nodes) == 0 {
			t.Errorf("all dead: %+v", receipt)
		}
		for _, node := range receipt.Nodes {
			if node.OK || node.Error == "" {
				t.Errorf("all dead: node %+v", node)
			}
		}
	}
	for _, place := range places {
		if err := net.StartNode(t.Context(), place); err != nil {
			t.Fatal(err)
		}
	}
	if waiting, err := alice.Flush(t.Context()); err != nil || waiting != 0 {
		t.Errorf("%d messages wait, %v", waiting, err)
	}
	bob.gets("1 dead", "2 dead", "3 dead")
	if left := alice.waiting(); len(left) != 0 {
		t.Errorf("%d messages are left in the outbox", len(left))
	}
}

// A member that is dead is replaced by another one, so that three have the message.
func TestDeadMemberIsReplaced(t *testing.T) {
	net := startFakenet(t, 10)
	net.OneSwarm(net.Nodes[:5]...)
	always(storage.MethodSwarm, storage.StatusOK, fakenet.Swarm(net.Nodes[:5]...), net.Nodes...)
	net.Nodes[0].Stop()
	net.Nodes[1].Stop()
	router, _ := storer(t, net.SeedURL(), Options{Quorum: 3})
	for range 5 {
		receipt, err := router.Store(t.Context(), requestFor(someone(t), "hello"))
		if err != nil || receipt.Stored != 3 {
			t.Fatalf("%+v, %v", receipt, err)
		}
	}
}

// The quorum is how many nodes must have the message; those that have it are not asked again in the same command.
func TestQuorum(t *testing.T) {
	net := startFakenet(t, 8)
	swarm := net.Nodes[:3]
	net.OneSwarm(swarm...)
	always(storage.MethodSwarm, storage.StatusOK, fakenet.Swarm(swarm...), net.Nodes...)
	swarm[0].Answer(func(call fakenet.Call) (int, string) {
		if call.Method == storage.MethodStore {
			return storage.StatusNotReady, "Service node is initializing\n"
		}
		return storage.StatusOK, fakenet.Swarm(swarm...)
	})
	config := configOf(t, net.SeedURL())
	alice := newPersonWith(t, "alice", config, Options{Quorum: 3})
	bob := someone(t)
	receipt, err := alice.Router.Send(t.Context(), alice.drafted(bob, "hello"))
	wantError(t, "quorum of 3", err, ErrNotStored)
	if receipt.OK || receipt.Stored != 2 || len(receipt.Nodes) != 3 {
		t.Errorf("quorum of 3: %+v", receipt)
	}
	for _, node := range swarm[1:] {
		if n := len(node.Calls(storage.MethodStore)); n != 1 {
			t.Errorf("a node that has the message was asked %d times", n)
		}
	}
	waiting := alice.waiting()
	if len(waiting) != 1 {
		t.Fatalf("%d messages wait", len(waiting))
	}
	again, err := New(alice.Account, alice.network, Options{Quorum: 2}).Send(t.Context(), waiting[0])
	if err != nil || !again.OK || again.Stored != 2 || again.MessageHash != receipt.MessageHash {
		t.Errorf("quorum of 2: %+v, %v", again, err)
	}
}

// The seed now serves another network, and every remembered node is gone: the first command still succeeds.
func TestNetworkIsReplaced(t *testing.T) {
	old := startDevnet(t, 6, 3)
	var seed atomic.Value
	seed.Store(old.SeedURL())
	config := configOf(t, seedOf(t, func() string { return seed.Load().(string) }))
	alice, bob := newPersonWith(t, "alice", config, Options{}), newPersonWith(t, "bob", config, Options{})
	alice.befriends(bob)
	alice.says(bob, "over the old one")
	bob.gets("over the old one")
	stop(t, old, 0, 1, 2, 3, 4, 5)
	fresh, err := devnet.Start(t.Context(), devnet.Options{Nodes: 6, SwarmSize: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNetwork(t, fresh) })
	seed.Store(fresh.SeedURL())
	alice.reconnects(config)
	bob.reconnects(config)
	alice.says(bob, "over the new one")
	bob.gets("over the new one")
}
