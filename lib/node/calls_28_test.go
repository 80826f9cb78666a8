package node

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/node/forward"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/swarm"
)

// A request's parameters show which storage RPC it is of. Bodies of 2.0 are those of the recordings.
func TestGenerations(t *testing.T) {
	for _, test := range []struct {
		method, params string
		want           bool
	}{
		{"store", `{"pubKey":"","ttl":"","nonce":"","timestamp":"","data":""}`, false},
		{"store", `{"pubKey":"","ttl":"","timestamp":"","data":""}`, false},
		{"store", `{"pubKey":"","ttl":1,"nonce":"","timestamp":1,"data":""}`, false},
		{"store", `{"pubkey":"","nonce":""}`, false},
		{"store", `{"pubKey":"","ttl":1,"timestamp":"","data":""}`, true},
		{"store", `{"pubKey":"","ttl":"","timestamp":1,"data":""}`, true},
		{"store", `{"pubkey":"","ttl":"","timestamp":"","data":""}`, true},
		{"store", `{"pubKey":"","ttl":"","timestamp":"","data":"","namespace":0}`, true},
		{"retrieve", `{"pubKey":"","lastHash":""}`, false},
		{"retrieve", `{}`, false},
		{"retrieve", `{"pubKey":"","lastHash":"","pubkey_ed25519":"","timestamp":"1","signature":""}`, false},
		{"retrieve", `{"pubKey":"","lastHash":"","pubkey_ed25519":"","timestamp":1,"signature":""}`, true},
		{"retrieve", `{"pubkey":""}`, true},
		{"retrieve", `{"pubKey":"","lastHash":"","namespace":0}`, true},
		{"get_snodes_for_pubkey", `{"pubKey":""}`, false},
		{"get_snodes_for_pubkey", `{"pubkey":""}`, true},
		{"get_swarm", `{"pubKey":""}`, true},
		{"info", `{}`, true},
		{"no_such", `{}`, false},
	} {
		_, params, err := parseCall([]byte(`{"method":"x","params":` + test.params + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := is28(test.method, params); got != test.want {
			t.Errorf("%s %s is of 2.8: %v, want %v", test.method, test.params, got, test.want)
		}
	}
}

// Swarms are listed for each generation in its own way.
func TestSwarm28(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5, 5}, nil)
	key := newUser(t, 5).pubKey()
	old := network.call(0, storage.MethodSwarm, rpc20.SwarmParams{PubKey: key})
	if strings.Contains(old.body, "port_https") || strings.Contains(old.body, `"t"`) {
		t.Errorf("a client of 2.0 gets %s", old.body)
	}
	for _, body := range []string{`{"pubkey":"` + key + `"}`, `{"pubKey":"` + key + `"}`} {
		got := decode[rpc28.GetSwarmAnswer](t, network.post(0, `{"method":"get_swarm","params":`+body+`}`), 200)
		if len(got.Snodes) != 2 || got.Swarm != "5" || got.T == 0 {
			t.Fatalf("swarm %+v", got)
		}
		for i, member := range got.Snodes {
			port := network.states[i].StoragePort
			if member.PortHTTPS != port || member.Port != strconv.Itoa(int(port)) ||
				member.PubkeyLegacy != network.states[i].PubkeyLegacy {
				t.Errorf("member %+v, want port %d", member, port)
			}
		}
		snodes, err := storage.ParseSwarm(network.post(0, `{"method":"get_swarm","params":`+body+`}`).body)
		if err != nil || len(snodes) != 2 || snodes[0] != got.Snodes[0].Snode {
			t.Errorf("read as a swarm of 2.0 it is %v, %v", snodes, err)
		}
	}
}

// info, ping and the node list.
func TestAboutTheNode(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5, 5, swarm.NoSwarm}, frozen(now))
	info := decode[rpc28.InfoAnswer](t, network.call(0, rpc28.MethodInfo, struct{}{}), 200)
	want := rpc28.InfoAnswer{Version: [3]int{2, 8, 0}, Timestamp: now.UnixMilli(),
		Clock: rpc28.Clock{T: now.UnixMilli(), HardFork: [2]int{19, 4}}}
	if info != want {
		t.Errorf("info %+v, want %+v", info, want)
	}
	for _, i := range []int{0, 2} { // a node that serves nobody answers, too
		response, err := network.client.Post("https://"+network.address(i)+storage.PingPath, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		public := network.nodes[i].keys.Ed25519.Public()
		if key := response.Header.Get(pingHeader); response.StatusCode != 200 ||
			key != base64.StdEncoding.EncodeToString(public[:]) {
			t.Errorf("ping: status %d, key %q", response.StatusCode, key)
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	ask := func(params string) []map[string]any {
		t.Helper()
		got := network.post(0,
			`{"method":"oxend_request","params":{"endpoint":"get_service_nodes","params":`+params+`}}`)
		return decode[oxendAnswer](t, got, 200).Result.States
	}
	nodes := ask(`{"active_only":true,"fields":{"pubkey_ed25519":true,"storage_port":true}}`)
	if len(nodes) != 2 || len(nodes[0]) != 2 || nodes[0]["pubkey_ed25519"] != network.nodes[0].keys.Name() {
		t.Errorf("nodes %v", nodes)
	}
	if nodes := ask(`{"fields":["public_ip"],"limit":1}`); len(nodes) != 1 ||
		nodes[0]["public_ip"] != network.states[0].PublicIP {
		t.Errorf("nodes %v", nodes)
	}
	for _, body := range []string{
		`{"endpoint":"get_block_hash","params":{}}`, `{}`, `{"endpoint":1}`,
		`{"endpoint":"get_service_nodes","params":[]}`,
		`{"endpoint":"get_service_nodes","params":{"fields":7}}`,
	} {
		if got := network.post(0, `{"method":"oxend_request","params":`+body+`}`); got.status != 400 ||
			!strings.HasPrefix(got.body, "invalid request: ") {
			t.Errorf("%s: %v", body, got)
		}
	}
	for _, method := range []string{rpc28.MethodRevoke, rpc28.MethodUnrevoke} {
		if got := network.call(0, method, struct{}{}); got.status != 400 ||
			got.body != "invalid request: this node does not support subaccounts" {
			t.Errorf("%s: %v", method, got)
		}
	}
}

// Several requests in one, at once or in sequence.
func TestBatch(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5, 5}, frozen(now))
	network.wantSettled(0, 1)
	alice := newUser(t, 5)
	info := rpc28.Call{Method: rpc28.MethodInfo, Params: struct{}{}}
	store := rpc28.Call{Method: storage.MethodStore, Params: alice.put(0, "x", now, time.Hour)}
	retrieve := rpc28.Call{Method: storage.MethodRetrieve, Params: alice.get(0, now)}
	unsigned := rpc28.Call{Method: storage.MethodRetrieve, Params: rpc28.GetSwarmParams{Pubkey: alice.pubKey()}}
	for _, test := range []struct {
		name, method string
		requests     []rpc28.Call
		codes        []int
	}{
		{"20 at once", rpc28.MethodBatch, slices.Repeat([]rpc28.Call{info}, 20), slices.Repeat([]int{200}, 20)},
		{"one refused", rpc28.MethodBatch, []rpc28.Call{store, unsigned, info}, []int{200, 401, 200}},
		{"in sequence", rpc28.MethodSequence, []rpc28.Call{store, retrieve}, []int{200, 200}},
		{"until one is refused", rpc28.MethodSequence, []rpc28.Call{store, unsigned, info}, []int{200, 401}},
	} {
		got := network.call(0, test.method, rpc28.BatchParams{Requests: test.requests})
		results, err := rpc28.ParseBatch(got.body, rpc28.MaxBatch)
		if got.status != 200 || err != nil || len(results) != len(test.codes) {
			t.Fatalf("%s: %v, %v", test.name, got, err)
		}
		for i, result := range results {
			if result.Code != test.codes[i] {
				t.Errorf("%s: result %d is %d %s, want %d", test.name, i, result.Code, result.Body, test.codes[i])
			}
			if result.Code == 401 && string(result.Body) != `"retrieve: request signature required"` {
				t.Errorf("%s: result %d is %s", test.name, i, result.Body)
			}
			if test.requests[i] == retrieve {
				if page, err := rpc28.ParsePage(string(result.Body)); err != nil || len(page.Messages) != 1 {
					t.Errorf("%s: page %s, %v", test.name, result.Body, err)
				}
			}
		}
	}
	const (
		invalid = "invalid request: Invalid batch request: "
		meta    = "invalid request: Invalid batch subrequest: subrequests may not contain meta-requests"
	)
	for text, want := range map[string]string{
		`{"requests":[` + strings.Repeat(`{"method":"info","params":{}},`,
			20) + `{"method":"info","params":{}}]}`: invalid + "subrequest limit exceeded",
		`{"requests":[]}`:                  invalid + `no valid "requests" field`,
		`{"requests":{}}`:                  invalid + `no valid "requests" field`,
		`{}`:                               invalid + `no valid "requests" field`,
		`{"requests":[{"method":"info"}]}`: invalid + "subrequests must have method/params keys",
		`{"requests":[{"method":"batch","params":{}}]}`:                      meta,
		`{"requests":[{"method":"sequence","params":{}}]}`:                   meta,
		`{"requests":[{"method":"ifelse","params":{}}]}`:                     meta,
		`{"requests":[{"method":"nothing","params":{}}]}`:                    `invalid request: Invalid batch subrequest: invalid method "nothing"`,
		`{"requests":[{"method":"get_swarm","params":{"pubkey":"05aa"}}]}`:   "invalid request: Pubkey must be 66 hex digits/33 bytes long",
		`{"requests":[{"method":"info","params":{}},7,{"method":"listen"}]}`: invalid + "requests must be objects",
	} {
		for _, method := range []string{rpc28.MethodBatch, rpc28.MethodSequence} {
			if got := network.post(0, `{"method":"`+method+`","params":`+text+`}`); got.status != 400 ||
				got.body != want {
				t.Errorf("%s %.60s: %v, want %q", method, text, got, want)
			}
		}
	}
}

// One request or another, depending on what the node is.
func TestIfElse(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, nil)
	for conditions, want := range map[string]bool{
		`{"hf_at_least":[19,3]}`:                  true,
		`{"hf_at_least":[19,4],"v_before":[2,9]}`: true,
		`{"hf_at_least":19}`:                      true,
		`{"hf_at_least":[19,5]}`:                  false,
		`{"hf_before":[19,4]}`:                    false,
		`{"v_at_least":[2,8,0],"v_before":[2,8]}`: false,
		`{"height_at_least":1}`:                   true,
		`{"height_before":1}`:                     false,
		`{"height_at_least":1000}`:                false,
	} {
		text := fmt.Sprintf(`{"method":"ifelse","params":{"if":%s,"then":{"method":"info","params":{}},`+
			`"else":{"method":"retrieve","params":{"pubkey":"%s"}}}}`,
			conditions, newUser(t, 5).pubKey())
		got := decode[ifElseAnswer](t, network.post(0, text), 200)
		code := map[bool]int{true: 200, false: 401}[want]
		if got.Condition != want || got.Result == nil || got.Result.Code != code || got.HardFork != hardFork28 ||
			got.Height == 0 {
			t.Errorf("%s: %+v, want %v", conditions, got, want)
		}
	}
	only := decode[ifElseAnswer](t, network.post(0,
		`{"method":"ifelse","params":{"if":{"height_before":1},"then":{"method":"info","params":{}}}}`), 200)
	if only.Condition || only.Result != nil {
		t.Errorf("without else: %+v", only)
	}
	for _, bad := range []string{`{}`, `{"if":{}}`, `{"if":7,"then":{}}`,
		`{"if":{"v_before":"x"},"then":{"method":"info","params":{}}}`} {
		if got := network.post(0, `{"method":"ifelse","params":`+bad+`}`); got.status != 400 {
			t.Errorf("%s: %v", bad, got)
		}
	}
}

// Requests of 2.8 come through onions whose layers are sealed in any way, and not through too many nodes.
func Test28Onion(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5, 5, 5, 5}, frozen(now))
	alice := newUser(t, 5)
	var hops []onion.Hop
	for i, kind := range []onion.Cipher{onion.XChaCha20, onion.AESGCM, onion.AESCBC, onion.XChaCha20} {
		keys := network.nodes[i].keys
		hops = append(hops, onion.Hop{Ed25519: keys.Ed25519.Public(), X25519: keys.X25519.Public, Cipher: kind})
	}
	wrap := func() *onion.Request {
		wrapped, err := onion.Wrap(rand.Reader, onion.V2, hops[:3], hops[3],
			request(t, storage.MethodStore, alice.put(0, "x", now, time.Hour)))
		if err != nil {
			t.Fatal(err)
		}
		return wrapped
	}
	wrapped := wrap()
	got := network.do(0, http.MethodPost, onion.V2.Path(), nil, wrapped.Body)
	response, err := wrapped.OpenResponse([]byte(got.body))
	if err != nil || response.Status != 200 {
		t.Fatalf("%v, %v", got, err)
	}
	if change, err := rpc28.ParseChange(response.Body); err != nil || len(change.Swarm) != 4 {
		t.Errorf("%v, %v", response, err)
	}
	for number, want := range map[int]int{12: 200, 13: 400, 16: 400} {
		body := wrap().Body
		length := 4 + binary.LittleEndian.Uint32(body)
		outer := bytes.Replace(body[length:], []byte("{"), fmt.Appendf(nil, `{"hop_no":%d,`, number), 1)
		got := network.do(0, http.MethodPost, onion.V2.Path(), nil, append(body[:length], outer...))
		if got.status != want || want == 400 && got.body != textTooManyHops {
			t.Errorf("from %d on: %v, want %d", number, got, want)
		}
	}
}

// FuzzRequests28 sends any parameters to every method: there is always an answer of a known kind, in JSON or text.
func FuzzRequests28(f *testing.F) {
	n, _ := pair(f)
	now := time.Now()
	alice := newUser(f, 5)
	methods := append([]string{storage.MethodStore, storage.MethodRetrieve}, methods28...)
	add := func(method string, params any) {
		text, err := json.Marshal(params)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(slices.Index(methods, method)), string(text))
	}
	const hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	add(rpc28.MethodDelete, alice.remove(hash))
	add(rpc28.MethodDeleteAll, alice.removeAll(rpc28.Scope{All: true}, now))
	add(rpc28.MethodDeleteBefore, alice.removeBefore(rpc28.Scope{Namespace: -1}, now))
	add(rpc28.MethodExpire, alice.expire("extend", []string{hash, hash}, now.UnixMilli(), now.UnixMilli()))
	add(rpc28.MethodExpireAll, alice.expireAll(rpc28.Scope{}, now))
	add(storage.MethodStore, alice.put(2, "x", now, time.Hour))
	add(storage.MethodRetrieve, alice.get(0, now))
	add(rpc28.MethodBatch, rpc28.BatchParams{Requests: []rpc28.Call{{Method: "retrieve", Params: alice.get(-10, now)}}})
	add(rpc28.MethodIfElse,
		json.RawMessage(`{"if":{"hf_at_least":[19,3],"v_before":[1],"height_before":1},`+
			`"then":{"method":"info","params":{}}}`))
	add(rpc28.MethodOxend, json.RawMessage(`{"endpoint":"get_service_nodes","params":{"fields":["a"],"limit":1}}`))
	f.Fuzz(func(t *testing.T, which byte, params string) {
		body, err := json.Marshal(storage.Request{Method: methods[int(which)%len(methods)],
			Params: json.RawMessage(params)})
		if err != nil {
			return
		}
		r := httptest.NewRequest(http.MethodPost, storage.RPCPath, bytes.NewReader(body))
		recorder := httptest.NewRecorder()
		n.ServeHTTP(recorder, r)
		switch recorder.Code {
		case 200, 404:
			if !json.Valid(recorder.Body.Bytes()) {
				t.Errorf("%s is answered with %q", body, recorder.Body)
			}
		case 400, 401, 403, 406, 421, 432:
		default:
			t.Errorf("%s is answered with status %d: %q", body, recorder.Code, recorder.Body)
		}
	})
}

// FuzzForwarded reads what another member may hand on: it is a change, or it is refused.
func FuzzForwarded(f *testing.F) {
	alice, now := newUser(f, 5), time.Now()
	for method, params := range map[string]any{
		storage.MethodStore:   alice.put(2, "x", now, time.Hour),
		rpc28.MethodDeleteAll: alice.removeAll(rpc28.Scope{}, now), "info": struct{}{},
	} {
		text, err := json.Marshal(params)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(fmt.Appendf(nil, `{"method":%q,"params":%s,"at":%d}`, method, text, now.UnixMilli()))
	}
	f.Add(forward.Store{Owner: [33]byte{5}, Timestamp: now.UnixMilli(), TTL: 60_000, Data: []byte("x")}.Encode())
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := readForwarded(body)
		if err == nil && len(got.change.subject().pubKey) != storage.PubkeyTextLength {
			t.Errorf("%q is a change to %q", body, got.change.subject().pubKey)
		}
		if err == nil {
			got.change.check(now, forwardWindow) // must not panic, whatever it says
		}
	})
}
