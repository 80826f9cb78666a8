package node

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/swarm"
)

// frozen makes a network whose clock stands still.
func frozen(at time.Time) func(int, *Config) {
	return func(_ int, config *Config) { config.Now = func() time.Time { return at } }
}

// Both ends of every limit, in the order in which they are checked (storage-2.0.md section 2.2).
func TestStoreLimits(t *testing.T) {
	now := time.UnixMilli(1795391232497)
	a, b := swarm.SwarmID(1<<62), swarm.SwarmID(3<<62)
	network := startNetwork(t, []swarm.SwarmID{a, b}, frozen(now))
	alice, stranger := newUser(t, a, a, b).pubKey(), newUser(t, b, a, b).pubKey()
	at := func(ms int64) string { return strconv.FormatInt(now.UnixMilli()+ms, 10) }
	const hour = "3600000"
	for _, test := range []struct {
		name                         string
		pubKey, ttl, timestamp, data string
		noProof                      bool
		status                       int
		body                         string
	}{
		{"ok", alice, hour, at(0), "eA==", false, 200, `{"difficulty":1}`},
		{"empty data", alice, hour, at(0), "", false, 200, `{"difficulty":1}`},
		{"largest data", alice, "10000", at(0), strings.Repeat("x", storage.MaxDataBytes), false, 200,
			`{"difficulty":1}`},
		{"too large data", alice, hour, at(0), strings.Repeat("x", storage.MaxDataBytes+1), true, 400,
			"Message body exceeds maximum allowed length of 102400\n"},
		{"bytes count, not characters", alice, hour, at(0), strings.Repeat("é", storage.MaxDataBytes/2+1), true, 400,
			"Message body exceeds maximum allowed length of 102400\n"},
		{"short key", alice[1:], hour, at(0), "", true, 400, "Pubkey must be 66 characters long\n"},
		{"short key before large data", "", hour, at(0), strings.Repeat("x", storage.MaxDataBytes+1), true, 400,
			"Pubkey must be 66 characters long\n"},
		{"shortest ttl", alice, "10000", at(0), "", false, 200, `{"difficulty":1}`},
		{"too short ttl", alice, "9999", at(0), "", true, 403, "Provided TTL is not valid.\n"},
		{"longest ttl", alice, "345600000", at(0), "", false, 200, `{"difficulty":1}`},
		{"too long ttl", alice, "345600001", at(0), "", true, 403, "Provided TTL is not valid.\n"},
		{"endless ttl text", alice, hour + strings.Repeat("x", store.MaxNumberText), at(0), "", true, 403,
			"Provided TTL is not valid.\n"},
		{"just not too far ahead", alice, hour, at(10_000), "", false, 200, `{"difficulty":1}`},
		{"too far ahead", alice, hour, at(10_001), "", true, 406, "Timestamp error: check your clock\n"},
		{"just not expired", alice, hour, at(-3600000), "", false, 200, `{"difficulty":1}`},
		{"expired", alice, hour, at(-3600001), "", true, 406, "Timestamp error: check your clock\n"},
		{"negative timestamp", alice, hour, "-1", "", true, 406, "Timestamp error: check your clock\n"},
		{"bad ttl before bad timestamp", alice, "x", "x", "", true, 403, "Provided TTL is not valid.\n"},
		{"bad timestamp before no proof", alice, hour, "x", "", true, 406, "Timestamp error: check your clock\n"},
		{"no proof", alice, hour, at(0), "", true, 432, `{"difficulty":1}`},
	} {
		params := rpc20.StoreParams{PubKey: test.pubKey, TTL: test.ttl, Timestamp: test.timestamp, Data: test.data}
		if test.noProof {
			params = unsolved(params)
		} else {
			ttl, _ := store.NewMessage20(params).TTLMillis()
			params = solve(t, params, uint64(ttl), 1)
		}
		if got := network.call(0, storage.MethodStore, params); got.status != test.status || got.body != test.body {
			t.Errorf("%s: %d %q, want %d %q", test.name, got.status, got.body, test.status, test.body)
		}
	}
	wrong := decode[rpc20.SwarmAnswer](t,
		network.call(0, storage.MethodStore, rpc20.StoreParams{PubKey: stranger, TTL: "x"}), 421)
	if len(wrong.Snodes) != 1 || wrong.Snodes[0].PubkeyEd25519 != network.nodes[1].Keys().Name() {
		t.Errorf("wrong swarm, before anything else: %v", wrong)
	}
}

// The proof must meet the current difficulty, and the answer has the difficulty, also after a refusal.
func TestStoreDifficulty(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, func(_ int, config *Config) { config.Difficulty = 40 })
	alice := newUser(t, 5).pubKey()
	good := solved(t, alice, "eA==", time.Now(), time.Minute, 40)
	if got := network.call(0, storage.MethodStore, good); got.status != 200 || got.body != `{"difficulty":40}` {
		t.Errorf("with proof: %v", got)
	}
	network.nodes[0].SetDifficulty(1 << 50)
	if got := network.call(0, storage.MethodStore, good); got.status != 432 ||
		got.body != `{"difficulty":1125899906842624}` {
		t.Errorf("after a change: %v", got)
	}
	long := good
	long.Nonce = strings.Repeat("A", store.MaxNumberText+1)
	if got := network.call(0, storage.MethodStore, long); got.status != 432 {
		t.Errorf("endless nonce: %v", got)
	}
}

func TestStoreFullOverHTTP(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, func(_ int, config *Config) { config.MaxStoreBytes = 1 })
	alice := newUser(t, 5).pubKey()
	if got := network.call(0, storage.MethodStore,
		solved(t, alice, "eA==", time.Now(), time.Minute, 1)); got.status != 503 {
		t.Errorf("a full node answers %v", got)
	}
}

// Requests that make the 2020 server fall silent or die are refused with a reason.
func TestMalformedRequests(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, nil)
	key := newUser(t, 5).pubKey()
	for _, test := range []struct{ body, want string }{
		{`[]`, "invalid json: no `method` field\n"},
		{`null`, "invalid json: no `method` field\n"},
		{`"store"`, "invalid json: no `method` field\n"},
		{`{"method":null,"params":{}}`, "invalid json: no `method` field\n"},
		{`{"Method":"store","params":{}}`, "invalid json: no `method` field\n"},
		{`{"method":"store","params":{}} x`, "invalid json: no `method` field\n"},
		{`{"method":"store","params":null}`, "invalid json: no `params` field\n"},
		{`{"method":"store","params":"x"}`, "invalid json: no `params` field\n"},
		{`{"method":"store","params":{"PUBKEY":"x"}}`, "invalid json: no `pubKey` field\n"},
		{`{"method":"","params":{}}`, "no method "},
		{`{"method":"store","params":{"pubKey":"` + key + `","ttl":86400000,"nonce":"","timestamp":"","data":""}}`,
			"invalid json: `ttl` is not a string\n"},
		{`{"method":"store","params":{"pubKey":"` + key + `","ttl":"","nonce":null,"timestamp":"","data":""}}`,
			"invalid json: `nonce` is not a string\n"},
		{`{"method":"retrieve","params":{"pubKey":["x"],"lastHash":""}}`, "invalid json: `pubKey` is not a string\n"},
		{`{"method":"get_snodes_for_pubkey","params":{"pubKey":5}}`, "invalid json: `pubKey` is not a string\n"},
	} {
		if got := network.post(0, test.body); got.status != 400 || got.body != test.want {
			t.Errorf("%s: %d %q, want 400 %q", test.body, got.status, got.body, test.want)
		}
	}
}

// Data comes back as it was sent, whatever characters it has.
func TestDataIsNotChanged(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, func(_ int, config *Config) { config.AllowUnsigned = true })
	alice := newUser(t, 5)
	data := "<a href='x'>&amp;\u2028\"\\/ é世\x00\x1f\U0001F600"
	decode[rpc20.DifficultyAnswer](t,
		network.call(0, storage.MethodStore, solved(t, alice.pubKey(), data, time.Now(), time.Minute, 1)), 200)
	got := network.call(0, storage.MethodRetrieve, rpc20.RetrieveParams{PubKey: alice.pubKey()})
	if answer := decode[rpc20.RetrieveAnswer](t, got, 200); len(answer.Messages) != 1 ||
		answer.Messages[0].Data != data {
		t.Errorf("%q comes back as %v", data, answer)
	}
	if !strings.Contains(got.body, "<a href='x'>&amp;") {
		t.Errorf("HTML characters are escaped: %s", got.body)
	}
}

// bareNode is a node without server and network, alone in its swarm.
func bareNode(t testing.TB) *Node {
	t.Helper()
	self := unreachable(1, 5)
	v, err := ring.NewView(&nodelist.Result{States: []nodelist.State{self}}, self.PubkeyEd25519)
	if err != nil {
		t.Fatal(err)
	}
	n, err := newNode(Config{}.withDefaults(), ring.KeysFromSeed([32]byte{1}), newStore(t))
	if err != nil {
		t.Fatal(err)
	}
	n.members.Set(v)
	return n
}

// Whatever is posted, the answer has a known status and type, is UTF-8, and its JSON is valid.
func FuzzStorageRPC(f *testing.F) {
	key := "05" + strings.Repeat("ab", 32)
	f.Add([]byte(`{"jsonrpc":"2.0","id":"0","method":"get_snodes_for_pubkey","params":{"pubKey":"` + key + `"}}`))
	f.Add([]byte(`{"method":"retrieve","params":{"pubKey":"` + key + `","lastHash":"","pubkey_ed25519":"` + key[2:] + `","timestamp":1795391232497,"signature":"AA=="}}`))
	f.Add([]byte(`{"method":"store","params":{"pubKey":"` + key + `","ttl":"86400000","nonce":"AAAAAAAAAS0=","timestamp":"1795391232497","data":"eA=="}}`))
	f.Add([]byte(`{"method":"listen","params":{"pubKey":"` + key + `","listener":"` + listenerID + `","wait_ms":0,"timestamp":"1795391232497","signature":"AA=="}}`))
	f.Add([]byte(`{"method":"deliver","params":{"pubkey":"` + key + `","data":"eA==","wait_ms":0}}`))
	f.Add([]byte(`{"method":"\ud800","params":{}}`))
	f.Add([]byte(`[]`))
	n := bareNode(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		got := n.storageRPC(t.Context(), body)
		if got.status < 200 || got.status >= 500 || !utf8.Valid(got.body) {
			t.Errorf("status %d, body %q", got.status, got.body)
		}
		switch got.contentType {
		case typeText:
		case typeJSON:
			if !json.Valid(got.body) || bytes.HasSuffix(got.body, []byte("\n")) {
				t.Errorf("body %q", got.body)
			}
		default:
			t.Errorf("content type %q", got.contentType)
		}
	})
}
