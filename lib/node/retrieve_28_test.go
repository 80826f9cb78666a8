package node

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
	"sessiontool/lib/swarm"
)

// Refusals have the texts of the real server (storage server 2.8.0, client_rpc_endpoints.cpp).
func Test28RequestsThatCannotBeRead(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, nil)
	key := newUser(t, 5).pubKey()
	for _, test := range []struct{ method, params, text string }{
		{"store", `{"pubkey":"KEY","timestamp":1700000000000,"ttl":60000,"expiry":1700000060000,"data":""}`,
			"Cannot specify both 'expiry' and 'ttl'"},
		{"store", `{"pubkey":"KEY","timestamp":1700000000000,"data":""}`, "Required field 'expiry' or 'ttl' missing"},
		{"store", `{"pubkey":"KEY","timestamp":1700000000000,"ttl":-1,"data":""}`,
			"Invalid value given for 'ttl': expected positive integer"},
		{"store", `{"pubkey":"KEY","timestamp":1700000000000,"ttl":"-1","data":""}`,
			`Invalid value given for 'ttl': "-1"`},
		{"store", `{"pubkey":"KEY","pubKey":"KEY","timestamp":1700000000000,"ttl":60000,"data":""}`,
			"Cannot specify both 'pubkey' and 'pubKey'"},
		{"store", `{"pubkey":"KEY","timestamp":1700000000000,"ttl":60000,"data":"aG\nk="}`,
			"Invalid 'data' value: not base64 encoded"},
		{"store", `{"pubkey":"KEY","namespace":"0"}`, "Invalid value given for 'namespace': expected 16-bit integer"},
		{"retrieve", `{"pubkey":"KEY","timestamp":1700000000000}`, "Required field 'signature' missing"},
		{"retrieve", `{"pubkey":"KEY","namespace":-10,"timestamp":1700000000000}`,
			"Required field 'signature' missing"},
		{"retrieve", `{"pubkey":"KEY","namespace":-10,"pubkey_ed25519":"00"}`, "Required field 'signature' missing"},
		{"retrieve", `{"pubkey":"KEY","last_hash":"HASH","lastHash":"HASH"}`,
			"Cannot specify both 'last_hash' and 'lastHash'"},
		{"retrieve", `{"pubkey":"KEY","last_hash":"short"}`, "Invalid last_hash: expected base64 (43 chars)"},
		{"retrieve", `{"pubkey":"KEY","last_hash":"%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%"}`,
			"Invalid last_hash: not base64"},
		{"retrieve", `{"pubkey":"KEY","max_count":"3"}`, "Invalid value given for 'max_count': expected integer"},
		{"retrieve", `{"pubkey":"KEY","signature":"SIG","timestamp":"1"}`,
			"Invalid value given for 'timestamp': expected integer timestamp (in milliseconds)"},
		{"retrieve", `{"pubkey":"KEY","signature":"SIG","timestamp":-1}`,
			"Invalid value given for 'timestamp': expected integer timestamp (in milliseconds)"},
		{"retrieve", `{"pubkey":"KEY","signature":"SIG","timestamp":1}`,
			"Invalid timestamp for 'timestamp': timestamp must be in milliseconds"},
		{"retrieve", `{"pubkey":"KEY","signature":"SIG","pubkey_ed25519":"zz"}`,
			"Invalid pubkey_ed25519: expected 64 hex char or 32 byte pubkey"},
		{"retrieve", `{"pubkey":"KEY","signature":"SIG","pubkey_ed25519":"` + strings.Repeat("z", 64) + `"}`,
			"invalid pubkey_ed25519: value is not hex"},
		{"retrieve", `{"pubkey":"KEY","signature":"A\n=="}`,
			"invalid signature: expected base64 encoded Ed25519 signature"},
		{"delete", `{"pubKey":"KEY","messages":["HASH"],"signature":"SIG"}`, "Required field 'pubkey' missing"},
		{"delete", `{"pubkey":"KEY","messages":[],"signature":"SIG"}`, "messages does not contain any message hashes"},
		{"delete_all", `{"pubkey":"KEY","namespace":"some","signature":"SIG"}`,
			`Invalid value given for 'namespace': expected integer or "all"`},
		{"expire", `{"pubkey":"KEY","messages":["HASH"],"expiry":[1,2],"signature":"SIG"}`,
			"'expiry' must be a single expiry, or the same length as 'messages'"},
		{"expire", `{"pubkey":"KEY","messages":["HASH"],"expiry":[],"signature":"SIG"}`,
			"'expiry' does not contain any expiration timestamps"},
		{"batch", `{"requests":[1]}`, "Invalid batch request: requests must be objects"},
		{"batch", `{"requests":[{"method":"info"}]}`,
			"Invalid batch request: subrequests must have method/params keys"},
		{"batch", `{"requests":[{"method":"nope","params":{}}]}`, `Invalid batch subrequest: invalid method "nope"`},
		{"sequence", `{"requests":[{"method":"batch","params":{"requests":[{"method":"info","params":{}}]}}]}`,
			"Invalid batch subrequest: subrequests may not contain meta-requests"},
		{"ifelse", `{"then":{"method":"info","params":{}}}`, `Invalid ifelse request: no valid "if" field`},
		{"ifelse", `{"if":{},"then":{"method":"info","params":{}}}`,
			`Invalid ifelse request: must specify at least one "if" condition`},
		{"ifelse", `{"if":{"hf_at_least":1}}`, `Invalid ifelse request: at least one of "then"/"else" required`},
		{"ifelse", `{"if":{"hf_at_least":1},"then":{"method":"info"}}`,
			"Invalid ifelse request: then must have method/params keys"},
		{"ifelse", `{"if":{"hf_at_least":1},"then":{"method":"nope","params":{}}}`,
			`Invalid ifelse request method "then"`},
		{"ifelse", `{"if":{"hf_at_least":1},"else":1}`, "Invalid ifelse request: else must be an object"},
		{"oxend_request", `{"endpoint":"get_block"}`, "Invalid oxend endpoint 'get_block'"},
	} {
		params := strings.NewReplacer("KEY", key, "HASH", strings.Repeat("A", rpc28.HashTextLength), "SIG",
			strings.Repeat("A", 86)).Replace(test.params)
		got := network.post(0, `{"method":"`+test.method+`","params":`+params+`}`)
		if got.status != 400 || got.body != "invalid request: "+test.text {
			t.Errorf("%s %s: %d %q, want 400 %q", test.method, test.params, got.status, got.body, test.text)
		}
	}
}

// Any 43 characters of base64 can name a message, also those that no hash is written with: then it is not there.
func Test28HashThatNoMessageHas(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5}, frozen(now))
	alice := newUser(t, 5)
	network.deposit(0, alice.put(0, "x", now, time.Hour))
	hash := strings.Repeat("x", rpc28.HashTextLength)
	if got := decode[rpc28.ChangeAnswer](t, network.call(0, rpc28.MethodDelete, alice.remove(hash)),
		200); len(got.Swarm) != 1 {
		t.Errorf("delete: %+v", got)
	}
	if got := decode[rpc28.ChangeAnswer](t, network.call(0, rpc28.MethodExpire,
		alice.expire("", []string{hash}, now.UnixMilli())), 200); len(got.Swarm) != 1 {
		t.Errorf("expire: %+v", got)
	}
	required := alice.remove(hash)
	required.Required = true
	if got := network.call(0, rpc28.MethodDelete, required); got.status != storage.StatusNotFound {
		t.Errorf("delete of what has to be there: %v", got)
	}
	params := alice.get(0, now)
	params.LastHash = hash
	if page := decode[rpc28.PageAnswer](t, network.call(0, storage.MethodRetrieve, params),
		200); len(page.Messages) != 1 {
		t.Errorf("after an unknown hash come %d messages", len(page.Messages))
	}
	// get_expiries looks at no hash, and "all" is one more that is not there (storage-2.8.md section 6.1).
	for _, name := range []string{hash, "all"} {
		params := rpc28.GetExpiriesParams{Pubkey: alice.pubKey(), Messages: []string{name}, Timestamp: now.UnixMilli(),
			Auth: alice.auth(signtext.GetExpiries(now.UnixMilli(), []string{name}))}
		if got := network.call(0, rpc28.MethodGetExpiries, params); got.status != 200 || got.body != `{"expiries":{}}` {
			t.Errorf("expiries of %q: %v", name, got)
		}
	}
}

// The answering member repeats its time in its own result (storage-2.8.md section 4.3).
func Test28StoreTellsTheTimeTwice(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5, 5}, frozen(now))
	network.wantSettled(0, 1)
	var answer struct {
		Swarm map[string]map[string]json.RawMessage `json:"swarm"`
	}
	got := network.call(0, storage.MethodStore, newUser(t, 5).put(0, "x", now, time.Hour))
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil {
		t.Fatal(err)
	}
	for name, member := range maps.All(answer.Swarm) {
		if _, told := member["t"]; told != (name == network.nodes[0].keys.Name()) {
			t.Errorf("%s tells a time: %v", name, told)
		}
	}
}

// A node of 2.8 alone answers nothing as 2.0 does, unlike a node of both.
func TestWords28(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5, 5, swarm.NoSwarm}, func(i int, config *Config) {
		config.Generation = storage.Generation28
		if i == 1 {
			config.RateLimit = 1
		}
	})
	const text, info = "text/plain", `{"method":"info","params":{}}`
	longPoll := http.Header{longPollHeader: {"true"}}
	for _, test := range []struct {
		node         int
		method, path string
		header       http.Header
		body         string
		want         reply
	}{
		{0, "GET", storage.StatsPath, nil, "", reply{200, []string{"application/json"}, `{"version":"2.8.0"}`}},
		{0, "GET", "/x?y=z", nil, "", reply{404, []string{text}, "get /x Not Found"}},
		{0, "POST", "/nothing", nil, "", reply{404, []string{text}, "post /nothing Not Found"}},
		{0, "PUT", storage.RPCPath, nil, info, reply{404, []string{text}, "put /storage_rpc/v1 Not Found"}},
		{0, "POST", storage.RPCPath, nil, "", reply{400, []string{text}, "invalid json"}},
		{0, "POST", storage.RPCPath, nil, "{", reply{400, []string{text}, "invalid json"}},
		{0, "POST", storage.RPCPath, nil, "[]", reply{400, []string{text}, "invalid json: no `method` field"}},
		{0, "POST", storage.RPCPath, nil, `{"method":"info"}`,
			reply{400, []string{text}, "invalid json: no `params` field"}},
		{0, "POST", storage.RPCPath, nil, `{"method":"listened","params":{}}`,
			reply{400, []string{text}, "no method listened"}},
		{0, "POST", storage.RPCPath, nil, `{"method":"listen","params":{}}`,
			reply{400, []string{text}, "invalid json: no `pubKey` field\n"}},
		{0, "POST", storage.RPCPath, longPoll, info,
			reply{410, []string{text}, "long polling is no longer supported, client upgrade required"}},
		{2, "POST", storage.RPCPath, nil, info,
			reply{503, []string{text}, "Service node is not ready: not in any swarm\n"}},
	} {
		got := network.do(test.node, test.method, test.path, test.header, []byte(test.body))
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s %s %s: %+v, want %+v", test.method, test.path, test.body, got, test.want)
		}
	}
	bad := network.do(0, "POST", onion.V2.Path(), nil, []byte("ab"))
	if !strings.HasPrefix(bad.body, "Error parsing onion request: ") || bad.status != 400 {
		t.Errorf("a short onion request: %+v", bad)
	}
	got := network.post(1, info)
	for range 5 {
		got = network.post(1, info)
	}
	if want := (reply{429, []string{text}, "Too Many Requests\n"}); !reflect.DeepEqual(got, want) {
		t.Errorf("one request too many: %+v, want %+v", got, want)
	}
}
