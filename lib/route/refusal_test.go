package route

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/network"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage"
)

// A listener reports a wrong clock at the start. Later refusals may be the network's fault and do not end it.
func TestListenWithAWrongClock(t *testing.T) {
	net := startFakenet(t, 6)
	bob := newPerson(t, "bob", net.SeedURL())
	ignore := func(inbox.Event) error { return nil }
	always(storage.MethodRetrieve, storage.StatusBadTimestamp, "", net.Nodes...)
	wantError(t, "from the start", bob.anew("first").Listen(t.Context(), ListenOptions{}, ignore), ErrClock)

	boxes(net.Nodes...)
	asked := func() (calls int) {
		for _, node := range net.Nodes {
			calls += len(node.Calls(storage.MethodRetrieve))
		}
		return calls
	}
	enough := errors.New("enough")
	before := 0
	err := bob.anew("second").Listen(t.Context(), ListenOptions{
		PollInterval: time.Millisecond, Heartbeat: time.Millisecond, Beat: func(pulse Pulse) error {
			switch {
			case pulse.PolledAt.IsZero():
			case before == 0:
				before = asked()
				always(storage.MethodRetrieve, storage.StatusBadTimestamp, "", net.Nodes...)
			case asked() > before+4*len(net.Nodes): // each is asked twice in a round
				return enough
			}
			return nil
		},
	}, ignore)
	wantError(t, "later", err, enough)
}

// A swarm cache that is out of date is corrected on the way, by the nodes that were asked in vain.
func TestWrongSwarm(t *testing.T) {
	net := startFakenet(t, 10)
	wrong, right := net.Nodes[:3], net.Nodes[3:6]
	router, client := storer(t, net.SeedURL(), Options{Quorum: 3})
	bob := someone(t)
	net.OneSwarm(wrong...)
	if _, err := client.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := client.AdoptSwarm(t.Context(), bob, fakenet.Swarm(wrong...)); err != nil {
		t.Fatal(err)
	}
	net.OneSwarm(right...)
	always(storage.MethodStore, storage.StatusWrongSwarm, fakenet.Swarm(right...), wrong...)
	receipt, err := router.Store(t.Context(), requestFor(bob, "hello"))
	if err != nil || receipt.Stored != 3 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	for _, node := range right {
		if !slices.Contains(taken(receipt), node.Name()) || len(node.Calls(storage.MethodStore)) != 1 {
			t.Errorf("member %s: %+v", node.Name(), receipt)
		}
	}
	for _, node := range receipt.Nodes {
		if node.Status == storage.StatusWrongSwarm && !strings.Contains(node.Error, "not a member") {
			t.Errorf("%+v", node)
		}
	}
	members, err := client.Swarm(t.Context(), bob)
	if err != nil || len(members) != 3 ||
		!slices.ContainsFunc(right, func(n *fakenet.Node) bool { return n.Key() == members[0].Ed25519 }) {
		t.Errorf("cached are %v, %v", members, err)
	}
	lookups := 0
	for _, node := range net.Nodes {
		for _, call := range node.Calls(storage.MethodSwarm) {
			if call.Params["pubKey"] == bob.String() {
				lookups++
			}
		}
	}
	if lookups != 0 {
		t.Errorf("the network was asked %d times for a swarm that was told", lookups)
	}
}

// A node that redirects clients to no node or in circles does not keep the message from the others.
func TestNodeSendsAway(t *testing.T) {
	net := startFakenet(t, 8)
	unlisted := fakenet.Swarm(net.Nodes[7])
	net.List(net.Nodes[:7]...)
	for name, body := range map[string]string{
		"nonsense": "no", "nobody": `{"snodes":[]}`, "not registered": unlisted,
		"itself": fakenet.Swarm(net.Nodes[0]), "each other": fakenet.Swarm(net.Nodes[1], net.Nodes[0]),
	} {
		net.OneSwarm(net.Nodes[:5]...)
		always(storage.MethodSwarm, storage.StatusOK, fakenet.Swarm(net.Nodes[:5]...), net.Nodes...)
		for _, node := range net.Nodes[:2] {
			node.Answer(func(call fakenet.Call) (int, string) {
				if call.Method == storage.MethodStore {
					return storage.StatusWrongSwarm, body
				}
				return 0, ""
			})
		}
		router, _ := storer(t, net.SeedURL(), Options{Quorum: 3})
		receipt, err := router.Store(t.Context(), requestFor(someone(t), "hello"))
		if err != nil || receipt.Stored != 3 {
			t.Errorf("%s: %+v, %v", name, receipt, err)
		}
	}
}

// A clock that is off is corrected by the time of the nodes, whether or not a seed gives one, and the message that was
// sealed with the wrong time is sealed anew. Where there is no time at all it stays as it is.
func TestClockIsOff(t *testing.T) {
	net := startDevnet(t, 8, 4)
	for _, off := range []time.Duration{time.Hour, -time.Hour, 10 * 365 * 24 * time.Hour, -10 * 365 * 24 * time.Hour} {
		config := configOf(t, seedWithout(t, net.SeedURL(), func() bool { return false }))
		config.Now = func() time.Time { return time.Now().Add(off) }
		env := environment("alice")
		env.Now = config.Now
		var alice *person
		env.Stamp = func() time.Time { return alice.stamp() }
		alice = newPersonIn(t, "alice", config, Options{}, env)
		// The keystore is older than any request, so that bob accepts it instead of asking in turn.
		made := time.Now().Add(-2 * time.Hour)
		bobEnv := environment("bob")
		bobEnv.Now = func() time.Time { return made }
		bob := newPersonIn(t, "bob", configOf(t, net.SeedURL()), Options{}, bobEnv).anew("bob")

		draft := account.Draft{To: bob.ID(), Text: "in time"}
		out, err := alice.RequestFriend(t.Context(), draft, false)
		if err != nil {
			t.Fatal(err)
		}
		out, receipt, err := alice.SendDraft(t.Context(), out, draft)
		if err != nil || receipt.Stored != 3 {
			t.Fatalf("off by %s: %+v, %v", off, receipt, err)
		}
		if left := time.Duration(receipt.ClockOffsetMS)*time.Millisecond + off; left.Abs() > 5*time.Minute {
			t.Errorf("off by %s: the receipt says %d ms", off, receipt.ClockOffsetMS)
		}
		late := time.Since(time.UnixMilli(receipt.TimestampMS)).Abs()
		if late > 10*time.Minute { // an hour ago is a time that nodes accept, but their answers give theirs
			t.Errorf("off by %s: the message is dated %s wrong", off, late)
		}
		if len(alice.waiting()) != 0 || out.TimestampMS != receipt.TimestampMS {
			t.Errorf("off by %s: sent %+v, and %d wait", off, out, len(alice.waiting()))
		}
		bob.gets("in time")
		bob.sent(bob.Accept(t.Context(), alice.ID().String()))
		alice.gets("in time") // the request, now accepted
	}
}

// Texts of protocol signal that were sealed with a wrong time keep their places in the session, by which the recipient
// sorts them: only the envelope gets another date.
func TestSignalTextsAreDatedAnew(t *testing.T) {
	net := startDevnet(t, 8, 4)
	var off atomic.Int64
	config := configOf(t, net.SeedURL())
	config.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
	env := environment("alice")
	env.Now = config.Now
	alice := newPersonIn(t, "alice", config, Options{OnlyAsync: true}, env)
	bob := newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	off.Store(int64(time.Hour))
	var drafts []account.Draft
	var sealed []account.Outgoing
	var places []*Place
	for _, text := range []string{"first", "second", "third"} {
		draft := account.Draft{To: bob.ID(), Text: text, Protocol: account.ProtocolSignal}
		places = append(places, alice.Queue(bob.ID()))
		out, err := alice.Account.Send(t.Context(), draft)
		if err != nil {
			t.Fatal(err)
		}
		drafts, sealed = append(drafts, draft), append(sealed, out)
	}
	for i, place := range places {
		out, receipt, err := place.Send(t.Context(), sealed[i], drafts[i])
		if err != nil || receipt.Stored != 3 || out.Seq != sealed[i].Seq {
			t.Errorf("%q of entry %d: %+v of entry %d, %v", drafts[i].Text, sealed[i].Seq, receipt, out.Seq, err)
		}
		if late := time.Since(time.UnixMilli(receipt.TimestampMS)).Abs(); late > 10*time.Minute {
			t.Errorf("%q is dated %s wrong", drafts[i].Text, late)
		}
	}
	bob.gets("first", "second", "third")
}

// The clock is looked at once: who refuses the right time too is not followed.
func TestEveryTimeIsRefused(t *testing.T) {
	net := startFakenet(t, 5)
	always(storage.MethodStore, storage.StatusBadTimestamp, "Timestamp error: check your clock\n", net.Nodes...)
	router, _ := storer(t, net.SeedURL(), Options{})
	before := net.SeedRequests()
	_, err := router.Store(t.Context(), requestFor(someone(t), "hello"))
	wantError(t, "every time is refused", err, ErrClock)
	if asked := net.SeedRequests() - before; asked > 2 {
		t.Errorf("the seed was asked %d times", asked)
	}
}

// What the whole swarm refuses is given up; what one node refuses is not.
func TestRefusal(t *testing.T) {
	for _, status := range []int{storage.StatusBadTTL, storage.StatusBadRequest, storage.StatusUnauthorized} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			net := startFakenet(t, 5)
			always(storage.MethodStore, status, "Provided TTL is not valid.\n", net.Nodes...)
			alice := newPerson(t, "alice", net.SeedURL())
			receipt, err := alice.Router.Send(t.Context(), alice.drafted(someone(t), "hello"))
			wantError(t, "refused by all", err, ErrRefused)
			if err == nil || !strings.Contains(err.Error(), "Provided TTL is not valid.") || len(receipt.Nodes) != 5 {
				t.Errorf("refused by all: %v, %+v", err, receipt)
			}
			if left := alice.waiting(); len(left) != 0 {
				t.Error("the message is still in the outbox")
			}

			always(storage.MethodStore, storage.StatusOK, `{"difficulty":1}`, net.Nodes[3:]...)
			if receipt, err := alice.Router.Send(t.Context(), alice.drafted(someone(t), "hello")); err != nil ||
				receipt.Stored != 2 {
				t.Errorf("refused by three of five: %v, %+v", err, receipt)
			}
		})
	}
}

// Nodes in trouble are passed over; what they say is repeated as far as it is text, and short.
func TestNodesInTrouble(t *testing.T) {
	net := startFakenet(t, 7)
	for i, status := range []int{500, 503, 429, 404} {
		always(storage.MethodStore, status, strings.Repeat("\u00e9", 150), net.Nodes[i])
	}
	router, _ := storer(t, net.SeedURL(), Options{Quorum: 3})
	receipt, err := router.Store(t.Context(), requestFor(someone(t), "hello"))
	if err != nil || receipt.Stored != 3 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	always(storage.MethodStore, 500, strings.Repeat("x\u00e9", 150), net.Nodes...)
	receipt, err = router.Store(t.Context(), requestFor(someone(t), "hello"))
	wantError(t, "all in trouble", err, ErrNotStored)
	for _, node := range receipt.Nodes {
		if node.Status != 500 || len(node.Error) > mailbox.MaxText || !strings.HasPrefix(node.Error, "x\u00e9x") ||
			strings.ContainsRune(node.Error, 0xfffd) {
			t.Errorf("%+v", node)
		}
	}
}

// If the swarm has moved and no old member answers, it is looked up again, and the message arrives.
func TestSwarmIsLookedUpAgain(t *testing.T) {
	net := startFakenet(t, 12)
	router, client := storer(t, net.SeedURL(), Options{})
	bob := someone(t)
	net.OneSwarm(net.Nodes[:3]...)
	if _, err := client.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := client.AdoptSwarm(t.Context(), bob, fakenet.Swarm(net.Nodes[:3]...)); err != nil {
		t.Fatal(err)
	}
	for _, node := range net.Nodes[:3] {
		node.Stop()
	}
	net.OneSwarm(net.Nodes[3:7]...)
	always(storage.MethodSwarm, storage.StatusOK, fakenet.Swarm(net.Nodes[3:7]...), net.Nodes...)
	receipt, err := router.Store(t.Context(), requestFor(bob, "hello"))
	if err != nil || receipt.Stored != 3 {
		t.Errorf("%+v, %v", receipt, err)
	}
}

// Where the network gives no time, a refusal says so, this machine's clock stays what it was, and the message waits.
func TestNoTime(t *testing.T) {
	net := startFakenet(t, 5)
	net.ServeTime(nil)
	always(storage.MethodStore, storage.StatusBadTimestamp, "Timestamp error: check your clock\n", net.Nodes...)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	_, receipt, err := alice.SendDraft(t.Context(), alice.drafted(bob.ID(), "hello"),
		account.Draft{To: bob.ID(), Text: "hello"})
	wantError(t, "no time", err, ErrClock)
	wantError(t, "no time", err, network.ErrNoTime)
	if receipt.OK || alice.network.Offset() != 0 || len(alice.waiting()) != 1 {
		t.Errorf("%+v, off by %s", receipt, alice.network.Offset())
	}
	always(storage.MethodRetrieve, storage.StatusBadTimestamp, "Timestamp error: check your clock\n", net.Nodes...)
	_, err = alice.tryPoll()
	wantError(t, "poll", err, ErrClock)
	wantError(t, "poll", err, ErrNotRetrieved)
}
