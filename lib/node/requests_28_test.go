package node

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
	"sessiontool/lib/swarm"
)

// When a member answers a store, all members have the message, and the answer has a signature of each.
func Test28Store(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5, 5, 5}, frozen(now))
	network.wantSettled(0, 1, 2)
	alice := newUser(t, 5)
	text := func(r rpc28.MemberResult) []byte { return signtext.Stored(r.Hash) }
	first := network.change(0, storage.MethodStore, alice.put(0, "hello", now, time.Hour), text)
	account, err := hex.DecodeString(alice.pubKey())
	if err != nil {
		t.Fatal(err)
	}
	if want := rpc28.MessageHash([33]byte(account), 0, []byte("hello")); first.Hash != want || bool(first.Already) {
		t.Errorf("stored %+v, want the hash %s", first, want)
	}
	network.wantTexts(alice, 0, now, "hello")
	// Once more, and for longer, but never for shorter.
	again := network.change(1, storage.MethodStore, alice.put(0, "hello", now, 2*time.Hour), text)
	if !again.Already || again.Hash != first.Hash || again.Expiry[0] != now.Add(2*time.Hour).UnixMilli() {
		t.Errorf("stored again %+v", again)
	}
	shorter := network.change(2, storage.MethodStore, alice.put(0, "hello", now.Add(-time.Second), time.Hour), text)
	if !shorter.Already || shorter.Expiry[0] != again.Expiry[0] {
		t.Errorf("stored for shorter %+v", shorter)
	}
	network.wantTexts(alice, 0, now, "hello")
	page := decode[rpc28.PageAnswer](t, network.call(0, storage.MethodRetrieve, alice.get(0, now)), 200)
	want := storage.Stored{Data: "aGVsbG8=", Hash: first.Hash, Expiration: again.Expiry[0], Timestamp: now.UnixMilli()}
	if len(page.Messages) != 1 || page.Messages[0] != want || page.More || page.T != now.UnixMilli() {
		t.Errorf("page %+v, want %+v", page, want)
	}
}

// Every check of a store has its own answer (storage-2.8.md section 4.1).
func Test28StoreRefuses(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	network := startNetwork(t, []swarm.SwarmID{1 << 62, 3 << 62}, frozen(now))
	alice := newUser(t, 1<<62, 1<<62, 3<<62)
	with := func(namespace rpc28.Namespace, change func(p *rpc28.StoreParams)) rpc28.StoreParams {
		params := alice.put(namespace, "x", now, time.Hour)
		change(&params)
		return params
	}
	signedAt := func(at time.Time) func(p *rpc28.StoreParams) {
		return func(p *rpc28.StoreParams) {
			p.SigTimestamp = at.UnixMilli()
			p.Auth = alice.auth(signtext.Store(p.Namespace, p.SigTimestamp))
		}
	}
	const day, ttl, clock = 24 * time.Hour, "Provided expiry/TTL is not valid.", "Timestamp error: check your clock"
	for _, test := range []struct {
		name   string
		params any
		status int
		text   string
	}{
		{"ttl of 10 s", alice.put(0, "a", now, 10*time.Second), 200, ""},
		{"ttl below", alice.put(0, "a", now, 10*time.Second-time.Millisecond), 403, ttl},
		{"14 days", alice.put(0, "b", now, 14*day), 200, ""},
		{"more than 14 days", alice.put(0, "b", now, 14*day+time.Millisecond), 403, ttl},
		{"30 days", alice.put(2, "b", now, 30*day), 200, ""},
		{"more than 30 days", alice.put(2, "b", now, 30*day+time.Millisecond), 403, ttl},
		{"10 s ahead", alice.put(0, "c", now.Add(10*time.Second), time.Hour), 200, ""},
		{"more than 10 s ahead", alice.put(0, "c", now.Add(10*time.Second+time.Millisecond), time.Hour), 406, clock},
		{"old, and alive", alice.put(0, "d", now.Add(-day), 2*day), 200, ""},
		{"expired 11 s ago", alice.put(0, "d", now.Add(-time.Hour-11*time.Second), time.Hour), 406, clock},
		{"unsigned", with(2, func(p *rpc28.StoreParams) { p.Auth = rpc28.Auth{} }), 401,
			"store: signature required to store to namespace 2"},
		{"signed for another namespace", with(2, func(p *rpc28.StoreParams) { p.Namespace = 3 }), 401,
			"store signature verification failed"},
		{"signed by nobody", with(2, func(p *rpc28.StoreParams) { p.PubkeyEd25519 = "" }), 401,
			"store signature verification failed"},
		{"signed a minute ago", with(2, signedAt(now.Add(-time.Minute))), 200, ""},
		{"signed before", with(2, signedAt(now.Add(-time.Minute-time.Millisecond))), 406,
			"store signature timestamp too far from current time"},
		{"signed later", with(2, signedAt(now.Add(time.Minute+time.Millisecond))), 406,
			"store signature timestamp too far from current time"},
		{"bad signature where none is needed", with(0, func(p *rpc28.StoreParams) { p.Signature = "x" }), 200, ""},
		{"no base64", with(0, func(p *rpc28.StoreParams) { p.Data = "%%%" }), 400,
			"invalid request: Invalid 'data' value: not base64 encoded"},
		{"the largest", with(0, func(p *rpc28.StoreParams) { p.Data = strings.Repeat("A", 102400) }), 200, ""},
		{"too large", with(0, func(p *rpc28.StoreParams) { p.Data = strings.Repeat("A", 102404) }), 400,
			"invalid request: Message body exceeds maximum allowed length of 76800 bytes"},
		{"no data", map[string]any{"pubkey": alice.pubKey(), "timestamp": now.UnixMilli(), "ttl": 60000}, 400,
			"invalid request: Required field 'data' missing"},
		{"no timestamp", map[string]any{"pubkey": alice.pubKey(), "ttl": 60000}, 400,
			"invalid request: Required field 'timestamp' missing"},
		{"no ttl", map[string]any{"pubkey": alice.pubKey(), "timestamp": now.UnixMilli(), "data": ""}, 400,
			"invalid request: Required field 'expiry' or 'ttl' missing"},
		{"seconds", with(0, func(p *rpc28.StoreParams) { p.Timestamp = 1 }), 400,
			"invalid request: Invalid timestamp for 'timestamp': timestamp must be in milliseconds"},
		{"namespace too large", map[string]any{"namespace": 32768, "pubkey": alice.pubKey()}, 400,
			"invalid request: Invalid value given for 'namespace': value out of range"},
		{"short key", map[string]any{"pubkey": alice.pubKey()[2:], "timestamp": now.UnixMilli()}, 400,
			"invalid request: Pubkey must be 66 hex digits/33 bytes long"},
		{"subaccount", map[string]any{"pubkey": alice.pubKey(), "namespace": 1, "signature": "", "subaccount": "x",
			"timestamp": now.UnixMilli(), "ttl": 1, "data": ""}, 400,
			"invalid request: this node does not support subaccounts"},
	} {
		got := network.call(0, storage.MethodStore, test.params)
		if got.status != test.status || test.text != "" && got.body != test.text {
			t.Errorf("%s: %d %.200q, want %d %q", test.name, got.status, got.body, test.status, test.text)
		}
	}
}

// A node of another swarm answers every request with the right swarm.
func Test28WrongSwarm(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{1 << 62, 3 << 62}, frozen(now))
	alice := newUser(t, 1<<62, 1<<62, 3<<62)
	const hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	asked := decode[rpc28.GetSwarmAnswer](t,
		network.call(1, rpc28.MethodGetSwarm, rpc28.GetSwarmParams{Pubkey: alice.pubKey()}), 200)
	if asked.Swarm != "4000000000000000" || len(asked.Snodes) != 1 ||
		asked.Snodes[0].PubkeyEd25519 != network.nodes[0].keys.Name() {
		t.Fatalf("swarm is %+v", asked)
	}
	for method, params := range map[string]any{
		storage.MethodStore:      alice.put(0, "x", now, time.Hour),
		storage.MethodRetrieve:   alice.get(0, now),
		rpc28.MethodDelete:       alice.remove(hash),
		rpc28.MethodDeleteAll:    alice.removeAll(rpc28.Scope{}, now),
		rpc28.MethodDeleteBefore: alice.removeBefore(rpc28.Scope{}, now),
		rpc28.MethodExpire:       alice.expire("", []string{hash}, now.UnixMilli()),
		rpc28.MethodExpireAll:    alice.expireAll(rpc28.Scope{}, now),
		rpc28.MethodGetExpiries: rpc28.GetExpiriesParams{Pubkey: alice.pubKey(), Messages: []string{hash},
			Timestamp: now.UnixMilli(),
			Auth:      alice.auth(signtext.GetExpiries(now.UnixMilli(), []string{hash}))},
	} {
		got := decode[rpc28.GetSwarmAnswer](t, network.call(1, method, params), 421)
		if fmt.Sprint(got) != fmt.Sprint(asked) {
			t.Errorf("%s: %+v, want %+v", method, got, asked)
		}
		if got := network.call(0, method, params); got.status != 200 {
			t.Errorf("%s at the right swarm: %v", method, got)
		}
	}
}

// Who may read what (storage-2.8.md section 3.2).
func Test28RetrieveAuth(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	network := startNetwork(t, []swarm.SwarmID{5}, frozen(now))
	alice, bob := newUser(t, 5), newUser(t, 5)
	unsigned := func(namespace rpc28.Namespace) rpc28.RetrieveParams {
		return rpc28.RetrieveParams{Pubkey: alice.pubKey(), Namespace: namespace}
	}
	with := func(namespace rpc28.Namespace, auth rpc28.Auth) rpc28.RetrieveParams {
		return rpc28.RetrieveParams{Pubkey: alice.pubKey(), Namespace: namespace, Timestamp: now.UnixMilli(),
			Auth: auth}
	}
	unpadded := alice.get(0, now)
	unpadded.Signature = strings.TrimRight(unpadded.Signature, "=")
	const missing = "invalid request: Required field 'signature' missing"
	for _, test := range []struct {
		name   string
		params rpc28.RetrieveParams
		status int
		text   string
	}{
		{"signed", alice.get(0, now), 200, ""},
		{"signed, without padding", unpadded, 200, ""},
		{"signed, namespace 2", alice.get(2, now), 200, ""},
		{"unsigned", unsigned(0), 401, "retrieve: request signature required"},
		{"unsigned, namespace 2", unsigned(2), 400, missing},
		{"unsigned, public inbox", unsigned(10), 400, missing},
		{"unsigned, public outbox", unsigned(-1), 200, ""},
		{"unsigned, another outbox", unsigned(-21), 200, ""},
		{"unsigned, legacy group", unsigned(-10), 200, ""},
		{"badly signed, legacy group", with(-10, bob.auth([]byte("x"))), 401, "retrieve signature verification failed"},
		{"somebody else", with(0, bob.auth(signtext.Retrieve(0, now.UnixMilli()))), 401,
			"retrieve signature verification failed"},
		{"another namespace", with(3, alice.auth(signtext.Retrieve(2, now.UnixMilli()))), 401,
			"retrieve signature verification failed"},
		{"a minute ago", alice.get(0, now.Add(-time.Minute)), 200, ""},
		{"earlier", alice.get(0, now.Add(-time.Minute-time.Millisecond)), 406,
			"retrieve timestamp too far from current time"},
		{"later", alice.get(0, now.Add(time.Minute+time.Millisecond)), 406,
			"retrieve timestamp too far from current time"},
		{"no time", rpc28.RetrieveParams{Pubkey: alice.pubKey(), Auth: alice.auth(signtext.Retrieve(0,
			now.UnixMilli()))}, 406, "retrieve timestamp too far from current time"},
	} {
		got := network.call(0, storage.MethodRetrieve, test.params)
		if got.status != test.status || test.text != "" && got.body != test.text {
			t.Errorf("%s: %d %.200q, want %d %q", test.name, got.status, got.body, test.status, test.text)
		}
	}
}

// Pages end by count, by size or with the box, and the last hash leads on (storage-2.8.md section 5).
func Test28Pages(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5}, frozen(now))
	alice := newUser(t, 5)
	var hashes []string
	for i := range 9 {
		hashes = append(hashes, network.deposit(0,
			alice.put(0, strings.Repeat(fmt.Sprint(i), 1000), now.Add(-time.Duration(i)*time.Second), time.Hour)))
	}
	cost := rpc28.PageCost(1000)
	for _, test := range []struct {
		name            string
		last            string
		count, size     int
		first, messages int
		more            bool
	}{
		{"everything", "", 0, 0, 0, 9, false},
		{"five", "", 5, 0, 0, 5, true},
		{"after the fourth", hashes[3], 100, 0, 4, 5, false},
		{"after the last", hashes[8], 0, 0, 9, 0, false},
		{"an unknown hash", strings.Repeat("A", 43), 0, 0, 0, 9, false},
		{"room for three", "", 0, 3 * cost, 0, 3, true},
		{"room for less than three", "", 0, 3*cost - 1, 0, 2, true},
		{"room for none", hashes[0], 0, 1, 1, 1, true},
		{"both", "", 2, 5 * cost, 0, 2, true},
		{"a fraction of the most", "", 0, -1, 0, 9, false},
		{"a small fraction", "", 0, -rpc28.MaxPageBytes / cost, 0, 1, true},
	} {
		params := alice.get(0, now)
		params.LastHash, params.MaxCount, params.MaxSize = test.last, test.count, test.size
		page := decode[rpc28.PageAnswer](t, network.call(0, storage.MethodRetrieve, params), 200)
		if len(page.Messages) != test.messages || page.More != test.more {
			t.Errorf("%s: %d messages, more: %v; want %d, %v", test.name, len(page.Messages), page.More, test.messages,
				test.more)
			continue
		}
		for i, m := range page.Messages {
			if m.Hash != hashes[test.first+i] {
				t.Errorf("%s: message %d is %s, want %s", test.name, i, m.Hash, hashes[test.first+i])
			}
		}
	}
	params := alice.get(0, now)
	params.LastHash = "short"
	if got := network.call(0, storage.MethodRetrieve, params); got.status != 400 {
		t.Errorf("a hash of another length: %v", got)
	}
}

// A message that is deleted leads on like any other, unlike at the real server, where a client would start again.
func TestLastHashOfDeleted(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5}, frozen(now))
	alice := newUser(t, 5)
	first := network.deposit(0, alice.put(0, "first", now, time.Hour))
	second := network.deposit(0, alice.put(0, "second", now, time.Hour))
	network.call(0, rpc28.MethodDelete, alice.remove(second))
	network.deposit(0, alice.put(0, "third", now, time.Hour))
	for last, want := range map[string]int{first: 1, second: 1, "": 2} {
		params := alice.get(0, now)
		params.LastHash = last
		if page := decode[rpc28.PageAnswer](t, network.call(0, storage.MethodRetrieve, params),
			200); len(page.Messages) != want {
			t.Errorf("after %q come %d messages, want %d", last, len(page.Messages), want)
		}
	}
}
