package devnet

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sessiontool/lib/internal/await"
	"sessiontool/lib/node/behaviour"
	"sessiontool/lib/onion"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/storagehttp"
	"sessiontool/lib/storage/syncroute"
	"sessiontool/lib/x25519"
)

// likeFaster is the likeness called name with all times divided by factor.
func likeFaster(t *testing.T, name string, factor int) Likeness {
	t.Helper()
	like, err := Like(name)
	if err != nil {
		t.Fatal(err)
	}
	like.Nodes = like.Nodes.Faster(factor)
	return like
}

// hopsTo makes the hops of an onion to these nodes.
func hopsTo(n *Network, places ...int) (hops []onion.Hop) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, i := range places {
		keys := n.members[i].keys
		hops = append(hops, onion.Hop{Ed25519: keys.Ed25519.Public(), X25519: x25519.PublicKey(keys.X25519.Public)})
	}
	return hops
}

// travel sends an onion for the swarm of a key through places, the last of which is the target.
func travel(t *testing.T, n *Network, places ...int) storagehttp.Answer {
	t.Helper()
	nodes := n.Nodes()
	payload, err := storage.NewRequest(storage.MethodSwarm,
		rpc20.SwarmParams{PubKey: keyOf(t, nodes, nodes[0].SwarmID)})
	if err != nil {
		t.Fatal(err)
	}
	hops := hopsTo(n, places...)
	last := len(hops) - 1
	wrapped, err := onion.Wrap(rand.Reader, onion.V2, hops[:last], hops[last], payload)
	if err != nil {
		t.Fatal(err)
	}
	return post(t, nodes[places[0]], onion.V2.Path(), wrapped.Body)
}

// An onion to or through a stopped node is answered with 504 when the time for the hop is over, no earlier: by relays
// that find the connection dead, and by relays that open one.
func TestOnionToADeadNode(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for seconds")
	}
	for _, name := range Likenesses() {
		t.Run(name, func(t *testing.T) {
			like := likeFaster(t, name, 40)
			n := startNetwork(t, Options{Nodes: 4, SwarmSize: 4, Like: like})
			// On a busy machine a hop takes longer than the short HopTimeout, now and then.
			alive := func() bool { return travel(t, n, 0, 1, 2, 3).Status == 200 }
			eventually(t, "an answer while all nodes are alive", alive)
			setFault(t, n, Fault{Kind: FaultStop}, "2")
			for _, places := range [][]int{{0, 1, 2}, {0, 1, 2, 3}, {3, 2}} {
				start := time.Now()
				answer := travel(t, n, places...)
				if took := time.Since(start); answer.Status != storage.StatusTimeout || took < like.Nodes.HopTimeout {
					t.Errorf("over %v: %d %s after %v, want 504 after %v", places, answer.Status, answer.Body, took,
						like.Nodes.HopTimeout)
				}
			}
			clearFaults(t, n)
			eventually(t, "an answer after the node has come back", alive)
		})
	}
}

// Connections to a node that has vanished are neither refused nor closed, open ones included; when it comes back they
// are, and it has what it had.
func TestVanish(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 2, SwarmSize: 2})
	pubKey, info := store(t, n, 1), n.Nodes()[1]
	client := storagehttp.NewClient()
	defer client.Close()
	ask := func(ctx context.Context) error {
		_, err := client.GetNode(ctx, info.IP, info.Port, storage.StatsPath)
		return err
	}
	if err := ask(t.Context()); err != nil { // leaves a connection open
		t.Fatal(err)
	}
	set := setFault(t, n, Fault{Kind: FaultVanish}, "1")
	if len(set) != 1 || n.Nodes()[1].Running || len(n.Faults()) != 1 || n.Faults()[0].Kind != FaultVanish {
		t.Errorf("faults %v, nodes %v", n.Faults(), n.Nodes())
	}
	setFault(t, n, Fault{Kind: FaultVanish}, "1") // again, which changes nothing
	for range 2 {                                 // over the open connection, over a new one
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := ask(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a node that has vanished: %v", err)
		}
		cancel()
	}
	conn, err := net.Dial("tcp", net.JoinHostPort(info.IP, strconv.Itoa(int(info.Port))))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	eventually(t, "the machine to hold the connection", func() bool {
		m := &n.members[1].machine
		m.mu.Lock()
		defer m.mu.Unlock()
		return slices.ContainsFunc(m.open,
			func(open net.Conn) bool { return open.RemoteAddr().String() == conn.LocalAddr().String() })
	})
	missed := store(t, n, 0)
	clearFaults(t, n)
	conn.SetReadDeadline(time.Now().Add(await.Hang))
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a connection of before: %v", err)
	}
	if err := ask(t.Context()); err != nil {
		t.Error(err)
	}
	wantStored(t, n, 1, pubKey)
	wantStored(t, n, 1, missed)
}

// A network ends that has nodes which have vanished; startNetwork checks that nothing is left.
func TestCloseWithVanishedNodes(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 3, SwarmSize: 3})
	store(t, n, 0)
	setFault(t, n, Fault{Kind: FaultVanish}, "0", "2")
}

// A request to a node that hangs is answered when the fault is over; one that it does not concern is answered at once.
func TestHang(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 1})
	setFault(t, n, Fault{Kind: FaultHang, Requests: "storage"})
	info := n.Nodes()[0]
	if _, err := getStats(t, info); err != nil {
		t.Errorf("a request for statistics: %v", err)
	}
	setFault(t, n, Fault{Kind: FaultHang})
	client := storagehttp.NewClient()
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.GetNode(ctx, info.IP, info.Port, storage.StatsPath); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a node that hangs: %v", err)
	}
	answered := make(chan error)
	go func() {
		_, err := client.GetNode(t.Context(), info.IP, info.Port, storage.StatsPath)
		answered <- err
	}()
	eventually(t, "a request to wait", func() bool { return n.members[0].faults.waiting.Load() == 1 })
	clearFaults(t, n)
	if err := <-answered; err != nil {
		t.Errorf("after the fault: %v", err)
	}
}

// putIn makes a store request of storage RPC 2.8 for user.
func putIn(user sessionid.Keys, data string) rpc28.StoreParams {
	return rpc28.StoreParams{
		Pubkey: user.ID().String(), Timestamp: time.Now().UnixMilli(), TTL: time.Hour.Milliseconds(),
		Data: base64.StdEncoding.EncodeToString([]byte(data)),
	}
}

// A store waits for a dead member of the swarm, and then names it in an answer of status 200.
func TestStoreWithADeadMember(t *testing.T) {
	like := likeFaster(t, "2.8.0", 20)
	n := startNetwork(t, Options{Nodes: 3, SwarmSize: 3, Like: like})
	nodes := n.Nodes()
	user := userOf(t, nodes, nodes[0].SwarmID)
	setFault(t, n, Fault{Kind: FaultStop}, "2")
	// On a busy machine a live member takes longer than the short MemberTimeout, now and then.
	eventually(t, "a store to name the dead member alone", func() bool {
		start := time.Now()
		answer := call(t, nodes[0], storage.MethodStore, putIn(user, "x"))
		took := time.Since(start)
		change, err := rpc28.ParseChange(string(answer.Body))
		if err != nil || answer.Status != 200 {
			t.Fatalf("%d %s, %v", answer.Status, answer.Body, err)
		}
		dead := change.Swarm[nodes[2].PubkeyEd25519]
		if !bool(dead.Failed) || !bool(dead.Timeout) || took < like.Nodes.MemberTimeout {
			t.Fatalf("after %v: dead %+v", took, dead)
		}
		return !bool(change.Swarm[nodes[1].PubkeyEd25519].Failed)
	})
}

// Members of a swarm list messages in orders that differ, in both storage RPCs, on the default network too.
func TestArrivalOrder(t *testing.T) {
	for _, name := range append(Likenesses(), "") {
		t.Run("like "+name, func(t *testing.T) {
			like, err := Like(name)
			if err != nil {
				t.Fatal(err)
			}
			n := startNetwork(t, Options{Nodes: 4, SwarmSize: 4, Like: like})
			nodes := n.Nodes()
			user := userOf(t, nodes, nodes[0].SwarmID)
			pubKey := user.ID().String()
			const count = 20
			var stores sync.WaitGroup
			for i := range count { // spread over the members, as clients do
				stores.Go(func() {
					info, data := nodes[i%2], fmt.Sprint("message ", i)
					var answer storagehttp.Answer
					if n.Generation() == storage.Generation28 {
						answer = call(t, info, storage.MethodStore, putIn(user, data))
					} else {
						answer = call(t, info, storage.MethodStore,
							solvedData(t, pubKey, base64.StdEncoding.EncodeToString([]byte(data))))
					}
					if answer.Status != 200 {
						t.Errorf("storing: %d %s", answer.Status, answer.Body)
					}
				})
			}
			stores.Wait()
			orders := make(map[string]bool)
			for i := range nodes {
				var stored []storage.Stored
				eventually(t, "all messages", func() bool {
					if stored, err = n.Messages(i, pubKey); err != nil {
						t.Fatal(err)
					}
					return len(stored) == count
				})
				var order strings.Builder
				for _, m := range stored {
					order.WriteString(m.Data)
				}
				orders[order.String()] = true
			}
			if len(orders) < 2 {
				t.Error("all members list the messages in the same order")
			}
		})
	}
}

// The registry sends the time in the configured header: by default Date, like web servers, else like real seeds.
func TestSeedTime(t *testing.T) {
	like280, err := Like("2.8.0")
	if err != nil {
		t.Fatal(err)
	}
	without := like280
	without.SeedTime = SeedNoTime
	for want, like := range map[SeedTime]Likeness{SeedDate: {}, SeedLastModified: like280, SeedNoTime: without} {
		n := startNetwork(t, Options{Nodes: 1, Like: like})
		response, err := http.Post(n.SeedURL(), "application/json",
			strings.NewReader(`{"method":"get_n_service_nodes"}`))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		http.DefaultClient.CloseIdleConnections()
		date, modified := response.Header.Get("Date"), response.Header.Get("Last-Modified")
		if (date != "") != (want == SeedDate) || (modified != "") != (want == SeedLastModified) {
			t.Errorf("%s: Date %q, Last-Modified %q", want, date, modified)
		}
	}
}

// What the injector answers in a node's place looks as if the node had answered.
func TestInjectedAnswersLookAlike(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 2, SwarmSize: 1, Like: likeFaster(t, "2.8.0", 1)})
	setFault(t, n, Fault{Kind: FaultWrongSwarm})
	nodes := n.Nodes()
	user := userOf(t, nodes, nodes[0].SwarmID)
	answer := call(t, nodes[0], storage.MethodStore, putIn(user, "x"))
	if answer.Status != storage.StatusWrongSwarm || !answer.Date.IsZero() {
		t.Errorf("%d with Date %v", answer.Status, answer.Date)
	}
}

func TestLikenessRefuses(t *testing.T) {
	for name, options := range map[string]Options{
		"generation": {Nodes: 1, Generation: storage.Generation20,
			Like: Likeness{Nodes: behaviour.Like280, SeedTime: SeedDate}},
		"seed time": {Nodes: 1, Like: Likeness{SeedTime: "sundial"}},
	} {
		if _, err := Start(t.Context(), options); !errors.Is(err, ErrLikeness) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Like("1.0"); !errors.Is(err, ErrLikeness) {
		t.Errorf("an unknown version: %v", err)
	}
}

// Servers of these versions do not know the methods of the synchronous route, and say so.
func TestNoSynchronousRoute(t *testing.T) {
	for _, name := range Likenesses() {
		n := startNetwork(t, Options{Nodes: 1, Like: likeFaster(t, name, 1)})
		for _, method := range []string{syncroute.MethodListen, syncroute.MethodDeliver} {
			answer := call(t, n.Nodes()[0], method, struct{}{})
			if answer.Status != 400 || string(answer.Body) != storage.TextNoMethod+method {
				t.Errorf("%s: %s: %d %q", name, method, answer.Status, answer.Body)
			}
		}
	}
}

// A node from outside has its own likeness, whatever that of the network.
func TestJoinLike(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 1})
	listener, err := net.Listen("tcp", n.Nodes()[0].IP+":0")
	if err != nil {
		t.Fatal(err)
	}
	joined, err := Join(t.Context(),
		JoinOptions{Seed: n.SeedURL(), DataDir: t.TempDir(), Listener: listener, Behaviour: &behaviour.Like211})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, joined)
	answer := call(t, joined.Info(), rpc28.MethodInfo, struct{}{})
	if !strings.Contains(string(answer.Body), `"version":[2,11,3]`) || !answer.Date.IsZero() {
		t.Errorf("%q at %v", answer.Body, answer.Date)
	}
}

// active_nodes_bin lists every active node in 51 bytes.
func TestActiveNodes(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 3, SwarmSize: 1, Like: likeFaster(t, "2.11", 1)})
	answer := call(t, n.Nodes()[0], rpc28.MethodActiveNodes, struct{}{})
	list, err := base64.StdEncoding.DecodeString(strings.Trim(string(answer.Body), `"`))
	if err != nil || len(list) != 3*51 {
		t.Fatalf("%d %q, %v", answer.Status, answer.Body, err)
	}
	for i, info := range n.Nodes() {
		entry := list[51*i:][:51]
		ip := net.ParseIP(info.IP).To4()
		want := slices.Concat(ip,
			[]byte{byte(info.Port >> 8), byte(info.Port), byte(info.Port >> 8), byte(info.Port), 2, 11, 3})
		if hex.EncodeToString(entry[:32]) != info.PubkeyEd25519 || !slices.Equal(entry[40:], want) {
			t.Errorf("entry %x, want node %s at %x", entry, info.PubkeyEd25519, want)
		}
	}
}
