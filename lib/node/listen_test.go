package node

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/internal/await"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/syncroute"
	"sessiontool/lib/swarm"
)

var (
	listenerID = strings.Repeat("0a", syncroute.DeliveryIDSize)
	anAck      = base64.StdEncoding.EncodeToString(make([]byte, syncroute.AckSize))
)

// listen makes a signed request to a node.
func (u user) listen(node string, now time.Time, wait time.Duration, acks ...syncroute.Ack) syncroute.ListenParams {
	public := u.Ed25519Public()
	p := syncroute.ListenParams{
		PubKey: u.pubKey(), PubkeyEd25519: hex.EncodeToString(public[:]),
		Timestamp: strconv.FormatInt(now.UnixMilli(), 10),
		Listener:  listenerID, WaitMillis: wait.Milliseconds(), Acks: acks,
	}
	signature := u.Sign(syncroute.ListenSignatureText(p.Timestamp, p.Listener, node))
	p.Signature = base64.StdEncoding.EncodeToString(signature[:])
	return p
}

// lastTime is the last result of laterTime.
var lastTime atomic.Int64

// laterTime is the present, or a little later: each is later than the one before, as with the requests of a listener.
func laterTime() time.Time {
	return time.UnixMilli(lastTime.Add(max(1, time.Now().UnixMilli()-lastTime.Load())))
}

// polling reports whether a listen request is open at node i.
func (n *testNetwork) polling(i int) bool { return n.nodes[i].hub.Load().Polling > 0 }

// later makes a call in the background and returns when a listener waits for messages at node i.
func (n *testNetwork) later(i int, call func() reply) <-chan reply {
	n.t.Helper()
	answer := make(chan reply, 1)
	go func() {
		defer close(answer) // also when call ends the test
		answer <- call()
	}()
	eventually(n.t, "somebody to listen", func() bool { return n.polling(i) })
	return answer
}

// Only the owner listens, and only at the node that the request was signed for, under the name that it has there.
func TestListenSignature(t *testing.T) {
	now := time.UnixMilli(1795391232497)
	network := startNetwork(t, []swarm.SwarmID{5, 5}, func(i int, config *Config) {
		frozen(now)(i, config)
		config.AllowUnsigned = true // means retrieve alone
	})
	alice, bob := newUser(t, 5), newUser(t, 5)
	name := network.nodes[0].Keys().Name()
	signed := func(change func(p *syncroute.ListenParams)) syncroute.ListenParams {
		p := alice.listen(name, now, 0)
		change(&p)
		return p
	}
	const wrong, late = "listen signature verification failed", "listen timestamp too far from current time"
	for _, test := range []struct {
		name   string
		params any
		status int
		body   string
	}{
		{"unsigned", map[string]any{"pubKey": alice.pubKey(), "listener": listenerID}, 401,
			"listen: request signature required"},
		{"over a minute early", alice.listen(name, now.Add(-time.Minute-time.Millisecond), 0), 406, late},
		{"over a minute late", alice.listen(name, now.Add(time.Minute+time.Millisecond), 0), 406, late},
		{"somebody else", signed(func(p *syncroute.ListenParams) { p.PubKey = bob.pubKey() }), 401, wrong},
		{"somebody else's signature",
			signed(func(p *syncroute.ListenParams) { p.Signature = bob.listen(name, now, 0).Signature }), 401, wrong},
		{"somebody else's key", signed(func(p *syncroute.ListenParams) {
			p.PubkeyEd25519 = bob.listen(name, now,
				0).PubkeyEd25519
		}), 401, wrong},
		{"other timestamp", signed(func(p *syncroute.ListenParams) {
			p.Timestamp = strconv.FormatInt(now.UnixMilli()+1,
				10)
		}), 401, wrong},
		{"other listener", signed(func(p *syncroute.ListenParams) {
			p.Listener = strings.Repeat("0b",
				syncroute.DeliveryIDSize)
		}), 401, wrong},
		{"signed for another node", alice.listen(network.nodes[1].Keys().Name(), now, 0), 401, wrong},
		{"a retrieve's signature",
			signed(func(p *syncroute.ListenParams) { p.Signature = alice.retrieve("", now).Signature }), 401, wrong},
		{"owner", alice.listen(name, now, 0), 200, `{"messages":[]}`},
		{"owner, a minute early", alice.listen(name, now.Add(-time.Minute), 0), 406, refusalOldListen.text},
		{"owner, a minute late", alice.listen(name, now.Add(time.Minute), 0), 200, `{"messages":[]}`},
	} {
		if got := network.call(0, syncroute.MethodListen, test.params); got.status != test.status ||
			got.body != test.body {
			t.Errorf("%s: %d %q, want %d %q", test.name, got.status, got.body, test.status, test.body)
		}
	}
	if stats, err := network.nodes[0].Stats(); err != nil || stats.Listeners != 1 {
		t.Errorf("%d listeners, %v; want the one whose request was good", stats.Listeners, err)
	}
}

// Directly and through onions of both versions: a message is handed over, acknowledged, and never on disk.
func TestListenAndDeliver(t *testing.T) {
	network := sameSwarm(t, 4)
	const at = 3
	type way func(method string, params any) reply
	ways := map[string]way{
		"direct": func(method string, params any) reply { return network.call(at, method, params) },
	}
	for _, version := range versions {
		ways[fmt.Sprint("onion ", version)] = func(method string, params any) reply {
			got := network.onion(version, []int{0, 1, 2, at}, request(t, method, params))
			return reply{status: got.Status, body: got.Body}
		}
	}
	for name, send := range ways {
		for _, listen := range ways {
			alice, node := newUser(t, 5), network.nodes[at].Keys().Name()
			data := base64.StdEncoding.EncodeToString([]byte("to Alice, " + name))
			if got := listen(syncroute.MethodListen, alice.listen(node, laterTime(), 0)); got.status != 200 ||
				got.body != `{"messages":[]}` {
				t.Fatalf("registering: %v", got)
			}
			first := network.later(at, func() reply {
				return listen(syncroute.MethodListen, alice.listen(node, laterTime(), syncroute.MaxWait))
			})
			delivered := make(chan reply, 1)
			go func() {
				delivered <- send(syncroute.MethodDeliver,
					syncroute.DeliverParams{PubKey: alice.pubKey(), Data: data, WaitMillis: 8000})
			}()
			answer := decode[syncroute.ListenAnswer](t, <-first, 200)
			if len(answer.Messages) != 1 || answer.Messages[0].Data != data {
				t.Fatalf("%s: heard %v", name, answer)
			}
			leave := alice.listen(node, laterTime(), 0, syncroute.Ack{ID: answer.Messages[0].ID, Ack: anAck})
			leave.Stop = true
			if got := listen(syncroute.MethodListen, leave); got.status != 200 {
				t.Errorf("leaving: %v", got)
			}
			if got := <-delivered; got.status != 200 || got.body != `{"ack":"`+anAck+`"}` {
				t.Errorf("%s: delivering: %v", name, got)
			}
			if got := send(syncroute.MethodDeliver, syncroute.DeliverParams{PubKey: alice.pubKey(), Data: data,
				WaitMillis: 8000}); got.status != 404 || got.body != "nobody listens\n" {
				t.Errorf("%s: delivering to nobody: %v", name, got)
			}
			network.wantStored(at, alice.pubKey(), 0)
		}
	}
	stats, err := network.nodes[at].Stats()
	if err != nil || stats.Listeners != 0 || stats.Waiting != 0 {
		t.Errorf("left are %+v, %v", stats, err)
	}
}

// When the swarm of listeners changes, they and their deliverers get the new one at once.
func TestListenerMoves(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5, 6, 5}, nil)
	alice, bob := newUser(t, 5, 5, 6), newUser(t, 5, 5, 6)
	if got := network.call(1, syncroute.MethodListen,
		alice.listen(network.nodes[1].Keys().Name(), laterTime(), 0)); got.status != 421 {
		t.Errorf("listening at another swarm: %v", got)
	}
	if got := network.call(1, syncroute.MethodDeliver,
		syncroute.DeliverParams{PubKey: alice.pubKey()}); got.status != 421 {
		t.Errorf("delivering to another swarm: %v", got)
	}
	node := network.nodes[0].Keys().Name()
	if got := network.call(0, syncroute.MethodListen, bob.listen(node, laterTime(), 0)); got.status != 200 {
		t.Fatal(got)
	}
	delivering := make(chan reply, 1)
	go func() { // to somebody who does not ask for it
		delivering <- network.call(0, syncroute.MethodDeliver,
			syncroute.DeliverParams{PubKey: bob.pubKey(), WaitMillis: 8000})
	}()
	eventually(t, "a delivery", func() bool {
		waiting := network.nodes[0].hub.Load().Pending
		return waiting == 1
	})
	listening := network.later(0, func() reply {
		return network.call(0, syncroute.MethodListen, alice.listen(node, laterTime(), syncroute.MaxWait))
	})
	network.states[0].SwarmID = 6
	network.directory.set(network.states...)
	for what, answer := range map[string]<-chan reply{"listener": listening, "deliverer": delivering} {
		if moved := decode[rpc20.SwarmAnswer](t, <-answer, 421); len(moved.Snodes) != 1 ||
			moved.Snodes[0].PubkeyEd25519 != network.nodes[2].Keys().Name() {
			t.Errorf("the %s is told %v", what, moved)
		}
	}
}

// A node that closes does not wait for those who listen at it, and hardly for those who listen at others through it.
func TestCloseEndsWaiting(t *testing.T) {
	network := sameSwarm(t, 3)
	alice, node := newUser(t, 5), network.nodes[2].Keys().Name()
	params := func() []byte {
		return request(t, syncroute.MethodListen, alice.listen(node, laterTime(), syncroute.MaxWait))
	}
	through := network.later(2, func() reply {
		return network.do(0, http.MethodPost, onion.V2.Path(), nil,
			network.wrap(onion.V2, []int{0, 1, 2}, params()).Body)
	})
	network.stop(1)
	if got := <-through; got.status != 504 {
		t.Errorf("through a relay that stopped: %v", got)
	}
	network.restart(1)
	eventually(t, "the request to end", func() bool { return !network.polling(2) })
	direct := network.later(2, func() reply { return network.post(2, string(params())) })
	network.stop(2)
	if got := <-direct; got.status != 503 || got.body != "Service node is closing\n" {
		t.Errorf("at a node that stopped: %v", got)
	}
	network.restart(2)
	if got := network.call(2, syncroute.MethodDeliver,
		syncroute.DeliverParams{PubKey: alice.pubKey()}); got.status != 404 {
		t.Errorf("after a restart somebody listens: %v", got)
	}
}

// Relays that wait for a listener's answer give up a second after their node closes.
func TestRelayGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := bareNode(t)
		n.caller.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		n.links = silentLinks(t)
		layer := &onion.Layer{Step: onion.Relay, Destination: n.keys.Name()}
		defer time.AfterFunc(relayGrace, n.endRelays).Stop()
		recorder, start := httptest.NewRecorder(), time.Now()
		n.relay(recorder, httptest.NewRequest(http.MethodPost, "/", nil), onion.V2, layer)
		if took := time.Since(start); took != relayGrace || recorder.Code != 504 {
			t.Errorf("%d after %v", recorder.Code, took)
		}
	})
}

// brokenOff checks what a client gets that hangs up. Its node's answer to the closed connection may still come in
// before the client's own side is closed. It reports that no answer came, because the answer of the listener's node has
// no receiver.
func brokenOff(response *http.Response, err error) error {
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != onionTimeout.status {
		return fmt.Errorf("a request that was broken off is answered with %s", response.Status)
	}
	return nil
}

// A listener's disconnect reaches its node through the whole onion, so that no message is sent to a lost listener.
func TestListenerHangsUp(t *testing.T) {
	network := sameSwarm(t, 3)
	await.Within(t, syncroute.MaxWait/2, "noticing that the listener is gone", func() { network.listenAndHangUp() })
}

// listenAndHangUp has a listener disconnect, and returns when its node has noticed.
func (n *testNetwork) listenAndHangUp() {
	n.t.Helper()
	alice, node := newUser(n.t, 5), n.nodes[2].Keys().Name()
	ctx, hangUp := context.WithCancel(n.t.Context())
	defer hangUp()
	wrapped := n.wrap(onion.V2, []int{0, 1, 2},
		request(n.t, syncroute.MethodListen, alice.listen(node, laterTime(), syncroute.MaxWait)))
	ended := make(chan error, 1)
	go func() {
		url := "https://" + n.address(0) + onion.V2.Path()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(wrapped.Body)))
		if err == nil {
			err = brokenOff(n.client.Do(request))
		}
		ended <- err
	}()
	eventually(n.t, "somebody to listen", func() bool { return n.polling(2) })
	start := time.Now()
	hangUp()
	if err := <-ended; err != nil {
		n.t.Error(err)
	}
	eventually(n.t, "the node to notice", func() bool { return !n.polling(2) })
	listening := n.nodes[2].hub.Load().Listeners
	if took := time.Since(start); took < syncroute.MaxWait/2 && listening == 0 {
		n.t.Error("the listener is gone at once, and could not ask again")
	}
}
