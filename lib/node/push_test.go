package node

import (
	"crypto/rand"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/replication"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/swarm"
)

// encode makes the body of a push of messages to which nothing has happened.
func encode(messages ...store.Message) (body []byte) {
	for _, m := range messages {
		body = store.AppendRecords(body,
			store.Record{Name: store.NameOf(m), Version: store.Version{Expiration: m.ExpirationMillis()}, Message: m})
	}
	return body
}

// sampleMessage is a message of storage RPC 2.0 whose time is over.
var sampleMessage = store.NewMessage20(rpc20.StoreParams{
	PubKey:    "05" + strings.Repeat("ab", 32),
	TTL:       "86400000",
	Timestamp: "1795391232497",
	Nonce:     "AAAAAAAAAS0=",
	Data:      "Zmlyc3QgbWVzc2FnZQ==",
})

// pushed posts a push to node 0 of network, signed by from at the given time.
func (n *testNetwork) pushed(from ring.Keys, at time.Time, body []byte) reply {
	n.t.Helper()
	header := make(http.Header)
	peerhttp.Sign(header, from, n.nodes[0].Keys().Name(), replication.PushPath, at, body)
	return n.do(0, http.MethodPost, replication.PushPath, header, body)
}

// Pushed messages are held to what a client's are.
func TestPushAccepts(t *testing.T) {
	now := time.Now()
	a, b := swarm.SwarmID(1<<62), swarm.SwarmID(3<<62)
	network := startNetwork(t, []swarm.SwarmID{a, a, b}, frozen(now))
	alice, stranger := newUser(t, a, a, b).pubKey(), newUser(t, b, a, b).pubKey()
	good := func(at time.Time) store.Message {
		return store.NewMessage20(solved(t, alice, "eA==", at, time.Hour, 1))
	}
	with := func(change func(m *store.Message)) store.Message {
		m := good(now)
		change(&m)
		return m
	}
	unproven := store.NewMessage20(unsolved(good(now).Params20()))
	for _, test := range []struct {
		name string
		m    store.Message
		want string
	}{
		{"good", good(now), `{"stored":1,"refused":0}`},
		{"good again", good(now), `{"stored":1,"refused":0}`},
		{"from a clock that is ahead", good(now.Add(60 * time.Second)), `{"stored":1,"refused":0}`},
		{"too far ahead", good(now.Add(71 * time.Second)), `{"stored":0,"refused":1}`},
		{"expired", good(now.Add(-time.Hour - time.Second)), `{"stored":0,"refused":1}`},
		{"another swarm's", store.NewMessage20(solved(t, stranger, "eA==", now, time.Hour, 1)),
			`{"stored":0,"refused":1}`},
		{"other hash", with(func(m *store.Message) { m.Hash[0] ^= 1 }), `{"stored":0,"refused":1}`},
		{"other data", with(func(m *store.Message) { m.Data = "eQ==" }), `{"stored":0,"refused":1}`},
		{"no proof", unproven, `{"stored":0,"refused":1}`},
		{"ttl too long", with(func(m *store.Message) { m.TTL = "345600001" }), `{"stored":0,"refused":1}`},
	} {
		got := network.pushed(network.nodes[1].Keys(), now, encode(test.m))
		if got.status != 200 || got.body != test.want {
			t.Errorf("%s: %v, want %s", test.name, got, test.want)
		}
	}
	// A node of any swarm may push, and bad messages do not spoil good ones.
	got := network.pushed(network.nodes[2].Keys(), now, encode(unproven, good(now.Add(-time.Second)), unproven))
	if got.body != `{"stored":1,"refused":2}` {
		t.Errorf("mixed batch: %v", got)
	}
	if got := network.pushed(network.nodes[1].Keys(), now, nil); got.body != `{"stored":0,"refused":0}` {
		t.Errorf("empty batch: %v", got)
	}
	network.wantStored(0, alice, 3)
}

// The difficulty of a pushed message is that of its time (storage-2.0.md section 3.3).
func TestPushDifficulty(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5, 5}, frozen(now))
	alice := newUser(t, 5).pubKey()
	network.nodes[0].difficulty.Set(1<<50, now.Add(-time.Hour))
	for minutes, want := range map[int]string{
		10: `{"stored":0,"refused":1}`,
		44: `{"stored":0,"refused":1}`,
		46: `{"stored":1,"refused":0}`, // another node may not have known the new one by then
		70: `{"stored":1,"refused":0}`,
	} {
		m := store.NewMessage20(solved(t, alice, "eA==", now.Add(-time.Duration(minutes)*time.Minute), 4*time.Hour, 1))
		if got := network.pushed(network.nodes[1].Keys(), now, encode(m)); got.body != want {
			t.Errorf("stamped %d minutes ago: %v, want %s", minutes, got, want)
		}
	}
}

// Where every message needs a proof of work, one without does not come from another node either: a stranger's node may
// serve what it likes.
func TestPushedMessagesNeedProof(t *testing.T) {
	now := time.Now()
	for _, only := range []storage.Generation{"", storage.Generation20} {
		network := startNetwork(t, []swarm.SwarmID{5, 5}, func(i int, config *Config) {
			frozen(now)(i, config)
			if i == 0 {
				config.Generation = only
			}
		})
		alice := newUser(t, 5)
		m := store.NewMessage28(alice.pubKey(), 0, now.UnixMilli(), time.Hour.Milliseconds(), []byte("unproved"))
		want := `{"stored":1,"refused":0}`
		if only != "" {
			want = `{"stored":0,"refused":1}`
		}
		if got := network.pushed(network.nodes[1].Keys(), now, encode(m)); got.body != want {
			t.Errorf("a node of %q answers %v, want %s", only, got, want)
		}
	}
}

// Only nodes of the list are heard, and only with a signature for this receiver, this body and this time.
func TestPushAuthentication(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5, 5}, frozen(now))
	friend, receiver := network.nodes[1].Keys(), network.nodes[0].Keys().Name()
	stranger := ring.KeysFromSeed([32]byte{9})
	m := store.NewMessage20(solved(t, newUser(t, 5).pubKey(), "eA==", now, time.Hour, 1))
	body := encode(m)
	signed := func(change func(h http.Header)) http.Header {
		header := make(http.Header)
		peerhttp.Sign(header, friend, receiver, replication.PushPath, now, body)
		change(header)
		return header
	}
	at := func(at time.Time) http.Header {
		return signed(func(h http.Header) { peerhttp.Sign(h, friend, receiver, replication.PushPath, at, body) })
	}
	const unknown, unverified = "Unknown service node\n", "Could not verify batch signature\n"
	const clock = "Timestamp error: check your clock\n"
	for _, test := range []struct {
		name   string
		header http.Header
		body   []byte
		status int
		text   string
	}{
		{"no headers", http.Header{}, body, 401, unknown},
		{"stranger", signed(func(h http.Header) {
			peerhttp.Sign(h, stranger, receiver, replication.PushPath, now,
				body)
		}), body, 401, unknown},
		{"in a friend's name", signed(func(h http.Header) {
			peerhttp.Sign(h, stranger, receiver, replication.PushPath, now, body)
			h.Set(peerhttp.SenderHeader, friend.Name())
		}), body, 401, unverified},
		{"for somebody else", signed(func(h http.Header) {
			peerhttp.Sign(h, friend, friend.Name(), replication.PushPath,
				now, body)
		}), body, 401, unverified},
		{"another body", at(now), append(encode(m), body...), 401, unverified},
		{"another time", signed(func(h http.Header) {
			h.Set(peerhttp.TimestampHeader, strconv.FormatInt(now.UnixMilli()+1, 10))
		}), body, 401, unverified},
		{"no signature", signed(func(h http.Header) { h.Del(peerhttp.SignatureHeader) }), body, 401, unverified},
		{"no time", signed(func(h http.Header) { h.Del(peerhttp.TimestampHeader) }), body, 406, clock},
		{"stale", at(now.Add(-61 * time.Second)), body, 406, clock},
		{"from the future", at(now.Add(61 * time.Second)), body, 406, clock},
		{"good", at(now), body, 200, `{"stored":1,"refused":0}`},
		{"replayed, which is harmless", at(now), body, 200, `{"stored":1,"refused":0}`},
	} {
		if got := network.do(0, http.MethodPost, replication.PushPath, test.header,
			test.body); got.status != test.status || got.body != test.text {
			t.Errorf("%s: %d %q, want %d %q", test.name, got.status, got.body, test.status, test.text)
		}
	}
	if got := network.pushed(friend, now, body[:len(body)-1]); got.status != 400 ||
		!strings.Contains(got.body, "record 1") {
		t.Errorf("a batch that is cut off: %v", got)
	}
	if got := network.pushed(friend, now, make([]byte, storage.MaxBodyBytes+1)); got.status != 413 {
		t.Errorf("a batch that is too large: %d", got.status)
	}
}

// A sender gives up a batch that is malformed for the peer, or whose path the peer lacks. It retries after all other
// errors.
func TestPushGivesUpOnlyWhereItIsHopeless(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5, 5}, nil)
	own := network.nodes[0].caller
	target := network.nodes[0].members.View().Others()[0]
	push := func(c *peerhttp.Caller, body []byte) error {
		_, err := c.Call(t.Context(), target, replication.PushPath, body, 1<<10)
		return err
	}
	if err := push(own, []byte("nonsense")); !errors.Is(err, peerhttp.ErrRefused) {
		t.Errorf("a malformed batch: %v, want errPeerRefused", err)
	}
	stranger := &peerhttp.Caller{Client: own.Client, Keys: ring.KeysFromSeed([32]byte{9}), Now: time.Now}
	if err := push(stranger, encode(sampleMessage)); err == nil || errors.Is(err, peerhttp.ErrRefused) {
		t.Errorf("a sender that is not known yet: %v, want an error worth a retry", err)
	}
	network.stop(1)
	if err := push(own, encode(sampleMessage)); err == nil || errors.Is(err, peerhttp.ErrRefused) {
		t.Errorf("a node that is stopped: %v, want an error worth a retry", err)
	}
}

func TestRegistrationIsSigned(t *testing.T) {
	keys, err := ring.LoadKeys(t.TempDir(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	params := ring.Registration(keys, "192.0.2.1", 22021, time.UnixMilli(7))
	if text := string(nodelist.RegisterSignatureText(params)); !strings.Contains(text,
		keys.Name()+"|"+keys.X25519.Public.String()+"|192.0.2.1|22021|7") {
		t.Errorf("signed text %q", text)
	}
}
