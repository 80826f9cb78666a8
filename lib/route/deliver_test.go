package route

import (
	"context"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/message"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/syncroute"
)

// knowsStatusOf makes p know that other listens at a node, which need not be so.
func (p *person) knowsStatusOf(other *person, node string) {
	p.t.Helper()
	err := other.ListenAt(p.t.Context(), node, 1)
	if err == nil {
		other.hands(p)(other.Account.Send(p.t.Context(), account.Draft{To: p.ID(), Text: "I listen"}))
		err = other.StopListening(p.t.Context())
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.knows(other, node)
}

// Whatever a listening node answers but the recipient's own acknowledgement, the same bytes are stored; the receipt
// says why, and the recipient is not looked for again where it was not.
func TestFallback(t *testing.T) {
	ack := func(ack [syncroute.AckSize]byte) string {
		return `{"ack":"` + base64.StdEncoding.EncodeToString(ack[:]) + `"}`
	}
	for name, test := range map[string]struct {
		status  int
		body    string
		want    outbox.Reason
		offline bool
	}{
		"nobody listens": {storage.StatusNoListener, "nobody listens\n", outbox.ReasonNobodyListens, true},
		"not acknowledged": {storage.StatusTimeout, "not acknowledged in time\n", outbox.ReasonNotAcknowledged,
			true},
		"somebody else's word":   {storage.StatusOK, ack([syncroute.AckSize]byte{1}), outbox.ReasonWrongAck, true},
		"no acknowledgement":     {storage.StatusOK, `{"ack":""}`, outbox.ReasonWrongAck, true},
		"cannot be opened":       {storage.StatusOK, ack(noAck), outbox.ReasonRefused, false},
		"no method":              {storage.StatusBadRequest, "no method deliver", outbox.ReasonNoMethod, true},
		"busy":                   {storage.StatusNotReady, "listening is busy\n", outbox.ReasonBusy, false},
		"not a node for it":      {storage.StatusWrongSwarm, `{"snodes":[]}`, outbox.ReasonWrongSwarm, true},
		"some other answer":      {storage.StatusBadRequest, "data is not base64\n", outbox.ReasonRefused, false},
		"an answer from nowhere": {599, "", outbox.ReasonRefused, false},
	} {
		t.Run(name, func(t *testing.T) {
			net := startFakenet(t, 5)
			always(syncroute.MethodDeliver, test.status, test.body, net.Nodes...)
			alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
			alice.befriends(bob)
			node := net.Nodes[2]
			alice.knowsStatusOf(bob, node.Name())
			wantRoute(t, alice.texts(bob, "hello"), message.RouteAsync, test.want)
			delivered := node.Calls(syncroute.MethodDeliver)
			if len(delivered) != 1 || delivered[0].Params["pubKey"] != bob.ID().String() {
				t.Fatalf("delivered were %v", delivered)
			}
			for _, node := range net.Nodes {
				for _, call := range node.Calls(storage.MethodStore) {
					if call.Params["data"] != delivered[0].Params["data"] {
						t.Error("other bytes are stored than were delivered")
					}
				}
			}
			status, _, err := alice.StatusOf(t.Context(), bob.ID())
			if err != nil || (status.Node == "") != test.offline {
				t.Errorf("bob is now believed to be at %q, %v", status.Node, err)
			}
		})
	}
}

// A message is stored if the recipient's node is gone, the recipient is offline, or it never sent a status.
func TestNowhereToDeliver(t *testing.T) {
	net := startFakenet(t, 6)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	wantRoute(t, alice.texts(bob, "offline"), message.RouteAsync, outbox.ReasonOffline)
	alice.knowsStatusOf(bob, someone(t).String()[2:])
	wantRoute(t, alice.texts(bob, "no such node"), message.RouteAsync, outbox.ReasonUnreachable)
	alice.knowsStatusOf(bob, net.Nodes[5].Name())
	net.Nodes[5].Stop()
	wantRoute(t, alice.texts(bob, "a dead node"), message.RouteAsync, outbox.ReasonUnreachable)
	wantRoute(t, alice.texts(bob, "a dead node"), message.RouteAsync, outbox.ReasonOffline)

	// What bob said yesterday is too old.
	yesterday := environment("yesterday")
	yesterday.Now = func() time.Time { return time.Now().Add(-account.StatusFreshFor) }
	carol := newPersonIn(t, "carol", configOf(t, net.SeedURL()), Options{}, yesterday)
	alice.befriends(carol)
	alice.knowsStatusOf(carol, net.Nodes[0].Name())
	wantRoute(t, alice.texts(carol, "stale"), message.RouteAsync, outbox.ReasonStale)

	original := environment("client of 2020")
	original.Original = true
	dave := newPersonIn(t, "dave", configOf(t, net.SeedURL()), Options{}, original)
	alice.befriends(dave)
	wantRoute(t, alice.texts(dave, "hello"), message.RouteAsync, outbox.ReasonNoStatus)
}

// A text for the synchronous route alone is not stored when that fails. A rerun goes on with the same bytes.
func TestOnlySync(t *testing.T) {
	net := startFakenet(t, 5)
	always(syncroute.MethodDeliver, storage.StatusTimeout, "not acknowledged in time\n", net.Nodes...)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	alice.knowsStatusOf(bob, net.Nodes[0].Name())
	draft := account.Draft{To: bob.ID(), Text: "now", OnlySync: true}
	out, err := alice.Account.Send(t.Context(), draft)
	if err != nil {
		t.Fatal(err)
	}
	_, err = alice.Router.Send(t.Context(), out)
	wantError(t, "not acknowledged", err, ErrNotDelivered)
	if waiting, err := alice.anew("another").Flush(t.Context()); err != nil || waiting != 0 {
		t.Errorf("%d wait, %v", waiting, err)
	}
	for _, node := range net.Nodes {
		if calls := node.Calls(storage.MethodStore); len(calls) > 0 {
			t.Errorf("it was stored: %v", calls)
		}
	}
	again, err := alice.anew("rerun").Account.Send(t.Context(), draft)
	if err != nil || !again.Resumed || again.Data != out.Data {
		t.Errorf("the rerun sends %+v, %v", again, err)
	}
}

// Who wants the asynchronous route alone gets it, though the recipient listens.
func TestOnlyAsync(t *testing.T) {
	net := startFakenet(t, 5)
	alice, bob := newPersonWith(t, "alice", configOf(t, net.SeedURL()), Options{OnlyAsync: true}), newPerson(t, "bob",
		net.SeedURL())
	alice.befriends(bob)
	alice.knowsStatusOf(bob, net.Nodes[0].Name())
	wantRoute(t, alice.texts(bob, "hello"), message.RouteAsync, "")
	if calls := net.Nodes[0].Calls(syncroute.MethodDeliver); len(calls) > 0 {
		t.Errorf("it was delivered: %v", calls)
	}
}

// Before a text to an offline recipient is stored, the account's stored messages are fetched, once: a new status may be
// among them.
func TestLook(t *testing.T) {
	net := startFakenet(t, 5)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	news := storage.Stored{Data: bob.seals(alice, "news"), Hash: "1"}
	for _, node := range net.Nodes {
		node.Answer(func(call fakenet.Call) (int, string) {
			if call.Method != storage.MethodRetrieve {
				return 0, ""
			}
			if call.Params["lastHash"] == news.Hash {
				return storage.StatusOK, pageOf()
			}
			return storage.StatusOK, pageOf(news)
		})
	}
	asked := 0
	for range 5 { // on a busy machine the time of the probe can be over before a member is asked
		process := alice.anew("looks")
		wantRoute(t, process.texts(bob, "one"), message.RouteAsync, outbox.ReasonOffline)
		wantRoute(t, process.texts(bob, "two"), message.RouteAsync, outbox.ReasonOffline)
		for _, node := range net.Nodes {
			asked += len(node.Calls(storage.MethodRetrieve))
		}
		if asked > 0 {
			break
		}
	}
	if asked == 0 || asked > 6 {
		t.Errorf("members were asked %d times", asked)
	}
	if got := alice.polls(); len(got) != 1 || got[0] != "news" {
		t.Errorf("the next poll shows %q", got)
	}

	anew := alice.anew("without an answer")
	for _, node := range net.Nodes {
		node.Answer(func(call fakenet.Call) (int, string) {
			if call.Method == storage.MethodRetrieve {
				return 500, "internal error"
			}
			return 0, ""
		})
	}
	wantRoute(t, anew.texts(bob, "three"), message.RouteAsync, outbox.ReasonOffline)
}

// Where no node of the swarm has the synchronous route, as in 2020, Listen asks for stored messages alone.
func TestNodesWithoutTheMethod(t *testing.T) {
	net := startFakenet(t, 5)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	listener := bob.listens("bob listens", ListenOptions{PollInterval: 10 * time.Millisecond})
	eventually(t, "all members to be tried", func() bool {
		for _, node := range net.Nodes {
			if len(node.Calls(syncroute.MethodListen)) != 1 {
				return false
			}
		}
		return true
	})
	data := alice.seals(bob, "hello")
	for _, box := range boxes(net.Nodes...) {
		box.put(data)
	}
	listener.wantTexts("hello")
	if listening, err := bob.Listening(t.Context()); err != nil || listening {
		t.Errorf("listening: %v, %v", listening, err)
	}
	if err := listener.ends(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, node := range net.Nodes {
		if calls := node.Calls(syncroute.MethodListen); len(calls) != 1 {
			t.Errorf("a node was asked %d times", len(calls))
		}
	}
}
