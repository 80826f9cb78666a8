package devnet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/swarm"
)

var day = time.UnixMilli(1795391232497)

func newRegistry(t testing.TB, swarmSize int) *registry {
	t.Helper()
	r, err := loadRegistry(filepath.Join(t.TempDir(), registryFile), swarmSize, func() time.Time { return day })
	if err != nil {
		t.Fatal(err)
	}
	r.admission.challenge = func(context.Context, nodelist.RegisterParams) error { return nil }
	return r
}

func keys(i int) ring.Keys { return ring.KeysFromSeed([32]byte{byte(i), byte(i >> 8)}) }

func announcement(i int) nodelist.RegisterParams {
	return ring.Registration(keys(i), "192.0.2.1", uint16(1000+i), day)
}

func TestRegister(t *testing.T) {
	r := newRegistry(t, 2)
	for i := range 9 {
		before := r.hash
		if err := r.register(announcement(i)); err != nil {
			t.Fatal(err)
		}
		if r.hash == before {
			t.Error("a registration did not change the block hash")
		}
	}
	sizes := slices.Sorted(maps.Values(swarmSizes(r.state.Nodes)))
	if !slices.Equal(sizes, []int{4, 5}) && !slices.Equal(sizes, []int{1, 4, 4}) {
		t.Errorf("nine nodes form swarms of %v", sizes)
	}
	moved := ring.Registration(keys(3), "192.0.2.7", 7, day.Add(time.Second))
	was, _ := r.find(moved.PubkeyEd25519)
	if err := r.register(moved); err != nil {
		t.Fatal(err)
	}
	is, _ := r.find(moved.PubkeyEd25519)
	if is.PublicIP != "192.0.2.7" || is.StoragePort != 7 || is.SwarmID != was.SwarmID || len(r.state.Nodes) != 9 {
		t.Errorf("a node that moved is listed as %+v, was %+v", is, was)
	}
}

func TestRegisterRefuses(t *testing.T) {
	r := newRegistry(t, 5)
	if err := r.register(announcement(1)); err != nil {
		t.Fatal(err)
	}
	signed := func(change func(p *nodelist.RegisterParams)) nodelist.RegisterParams {
		p := announcement(2)
		change(&p)
		return p
	}
	for name, params := range map[string]nodelist.RegisterParams{
		"repeated":         announcement(1),
		"older":            ring.Registration(keys(1), "192.0.2.9", 9, day.Add(-time.Second)),
		"stale":            ring.Registration(keys(2), "192.0.2.1", 9, day.Add(-registrationWindow-time.Second)),
		"from the future":  ring.Registration(keys(2), "192.0.2.1", 9, day.Add(registrationWindow+time.Second)),
		"no port":          ring.Registration(keys(2), "192.0.2.1", 0, day),
		"no IP":            ring.Registration(keys(2), "localhost", 9, day),
		"any IP":           ring.Registration(keys(2), "0.0.0.0", 9, day),
		"altered port":     signed(func(p *nodelist.RegisterParams) { p.StoragePort++ }),
		"altered IP":       signed(func(p *nodelist.RegisterParams) { p.PublicIP = "192.0.2.2" }),
		"altered time":     signed(func(p *nodelist.RegisterParams) { p.TimestampMS++ }),
		"another key":      signed(func(p *nodelist.RegisterParams) { p.PubkeyEd25519 = keys(3).Name() }),
		"another x key":    signed(func(p *nodelist.RegisterParams) { p.PubkeyX25519 = keys(3).X25519.Public.String() }),
		"upper case key":   signed(func(p *nodelist.RegisterParams) { p.PubkeyEd25519 = strings.ToUpper(p.PubkeyEd25519) }),
		"short key":        signed(func(p *nodelist.RegisterParams) { p.PubkeyX25519 = p.PubkeyX25519[2:] }),
		"no signature":     signed(func(p *nodelist.RegisterParams) { p.Signature = "" }),
		"signature cut":    signed(func(p *nodelist.RegisterParams) { p.Signature = p.Signature[:40] }),
		"nothing whatever": {},
	} {
		if err := r.register(params); !errors.Is(err, ErrRegistration) {
			t.Errorf("%s: %v, want ErrRegistration", name, err)
		}
	}
	if len(r.state.Nodes) != 1 {
		t.Errorf("%d nodes are listed, want 1", len(r.state.Nodes))
	}
}

func TestRegistryIsBounded(t *testing.T) {
	r := newRegistry(t, 5)
	for i := range MaxNodes {
		r.state.Nodes = append(r.state.Nodes, listing{State: nodelist.State{PubkeyEd25519: fmt.Sprint(i)}})
	}
	if err := r.register(announcement(1)); !errors.Is(err, ErrRegistration) {
		t.Errorf("a node too many: %v, want ErrRegistration", err)
	}
}

// A registry started again has the same list, and gives the devnet's own nodes their old swarms.
func TestRegistryIsKept(t *testing.T) {
	r := newRegistry(t, 2)
	var own []nodelist.State
	for i := range 6 {
		own = append(own, (&member{keys: keys(i), port: uint16(i + 1)}).state("127.0.0.1"))
	}
	if err := errors.Join(r.setOwn(5, own), r.keep(), r.register(announcement(100))); err != nil {
		t.Fatal(err)
	}
	again, err := loadRegistry(r.path, 2, r.now)
	if err != nil {
		t.Fatal(err)
	}
	if again.hash != r.hash || again.port() != 5 {
		t.Errorf("loaded block %s at port %d, kept %s at 5", again.hash, again.port(), r.hash)
	}
	if err := again.setOwn(6, own[1:]); err != nil { // one node less
		t.Fatal(err)
	}
	for _, state := range own[1:] {
		was, _ := r.find(state.PubkeyEd25519)
		if is, ok := again.find(state.PubkeyEd25519); !ok || is.SwarmID != was.SwarmID {
			t.Errorf("node %s is in swarm %x, was in %x", state.PubkeyEd25519[:8], is.SwarmID, was.SwarmID)
		}
	}
	if _, ok := again.find(own[0].PubkeyEd25519); ok {
		t.Error("a node that is gone is still listed")
	}
	if _, ok := again.find(keys(100).Name()); !ok {
		t.Error("a node that joined from outside was forgotten")
	}
	if _, err := loadRegistry(t.TempDir(), 2, r.now); err == nil {
		t.Error("a folder was read as a registry")
	}
	if err := os.WriteFile(r.path, []byte(`{"port":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadRegistry(r.path, 2, r.now); !errors.Is(err, ring.ErrFolder) {
		t.Errorf("half a registry: %v, want ErrFolder", err)
	}
}

func TestSetOwnDealsEvenly(t *testing.T) {
	for _, test := range []struct {
		nodes, size int
		want        []int
	}{
		{12, 5, []int{6, 6}},
		{10, 5, []int{5, 5}},
		{4, 5, []int{4}},
		{1, 5, []int{1}},
		{8, 4, []int{4, 4}},
		{7, 2, []int{2, 2, 3}},
	} {
		r := newRegistry(t, test.size)
		var own []nodelist.State
		for i := range test.nodes {
			own = append(own, (&member{keys: keys(i)}).state("127.0.0.1"))
		}
		if err := r.setOwn(1, own); err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Values(swarmSizes(r.state.Nodes))); !slices.Equal(got, test.want) {
			t.Errorf("%d nodes in swarms of %d: %v, want %v", test.nodes, test.size, got, test.want)
		}
	}
}

// ask posts a body to the registry's handler.
func ask(t testing.TB, r *registry, body string) *httptest.ResponseRecorder {
	t.Helper()
	recorder := httptest.NewRecorder()
	newSeedServer(r, discard).Handler.ServeHTTP(recorder,
		httptest.NewRequest(http.MethodPost, nodelist.SeedPath, strings.NewReader(body)))
	return recorder
}

// listAnswer is an answer to get_n_service_nodes.
type listAnswer struct {
	JSONRPC string
	ID      json.RawMessage
	Result  nodelist.Answer
}

// What clients of 2020 and of 2.8 send, and what they need (signal-2020.md section 2.3; session-v1.md section 8;
// storage-2.8.md section 10).
func TestSeedAnswers(t *testing.T) {
	r := newRegistry(t, 5)
	for i := range 3 {
		if err := r.register(announcement(i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		params string
		nodes  int
		fields []string
	}{
		{`{"limit":2,"active_only":true,"fields":{"public_ip":true,"storage_port":true,"pubkey_x25519":true,"pubkey_ed25519":true}}`, 2,
			[]string{"public_ip", "storage_port", "pubkey_x25519", "pubkey_ed25519"}},
		{`{"active_only":true,"fields":{"public_ip":true,"storage_port":true,"requested_unlock_height":true,"height":true}}`, 3,
			[]string{"public_ip", "storage_port", "requested_unlock_height"}},
		{`{"fields":["swarm_id","swarm","service_node_pubkey","storage_lmq_port","funded","active","no_such"]}`, 3,
			[]string{"swarm_id", "swarm", "service_node_pubkey", "storage_lmq_port", "funded", "active"}},
		{`{"fields":{"public_ip":true,"swarm_id":false},"limit":9}`, 3, []string{"public_ip"}},
	} {
		got := ask(t, r, `{"jsonrpc":"2.0","id":"0","method":"get_n_service_nodes","params":`+test.params+`}`)
		if got.Code != 200 || got.Header().Get("Content-Type") != "application/json" {
			t.Fatalf("status %d, content type %q", got.Code, got.Header().Get("Content-Type"))
		}
		var answer listAnswer
		if err := json.Unmarshal(got.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		result := answer.Result
		if string(answer.ID) != `"0"` || answer.JSONRPC != "2.0" || result.Height != 3 || result.BlockHash != r.hash ||
			result.Status != "OK" || result.Hardfork == 0 {
			t.Errorf("%s: answer %s", test.params, got.Body)
		}
		if len(result.States) != test.nodes {
			t.Errorf("%s: %d nodes, want %d", test.params, len(result.States), test.nodes)
		}
		for _, state := range result.States {
			if names := slices.Sorted(maps.Keys(state)); !slices.Equal(names,
				slices.Sorted(slices.Values(test.fields))) {
				t.Errorf("%s: fields %v, want %v", test.params, names, test.fields)
			}
		}
	}
	// A request for some nodes returns only those, under every name of the method.
	name := r.state.Nodes[1].PubkeyLegacy
	for _, method := range []string{"get_n_service_nodes", "get_service_nodes", "get_all_service_nodes"} {
		got := ask(t, r, fmt.Sprintf(`{"id":1,"method":%q,"params":{"service_node_pubkeys":[%q,"x"]}}`, method, name))
		var some listAnswer
		if err := json.Unmarshal(got.Body.Bytes(), &some); err != nil || len(some.Result.States) != 1 ||
			some.Result.States[0]["service_node_pubkey"] != name {
			t.Errorf("%s: %s", method, got.Body)
		}
	}
	unchanged := ask(t, r,
		fmt.Sprintf(`{"id":7,"method":"get_n_service_nodes","params":{"poll_block_hash":%q}}`, r.hash))
	if want := `{"jsonrpc":"2.0","id":7,"result":{"unchanged":true}}`; unchanged.Body.String() != want {
		t.Errorf("asked for its own block the registry answers %s, want %s", unchanged.Body, want)
	}
	full, all := ask(t, r, `{"method":"get_n_service_nodes"}`), listAnswer{}
	if err := json.Unmarshal(full.Body.Bytes(), &all); err != nil || len(all.Result.States) != 3 ||
		len(all.Result.States[0]) != 11 {
		t.Errorf("without params the registry answers %s", full.Body)
	}
}

func TestSeedRefuses(t *testing.T) {
	r := newRegistry(t, 5)
	late, err := storage.NewRequest(nodelist.MethodRegister,
		ring.Registration(keys(1), "192.0.2.1", 9, day.Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		body string
		code int
	}{
		{"", codeParse},
		{"{", codeParse},
		{"[]", codeParse},
		{"{}", codeMethod},
		{`{"method":"get_info"}`, codeMethod},
		{`{"method":"get_n_service_nodes","params":[]}`, codeParams},
		{`{"method":"get_n_service_nodes","params":{"fields":7}}`, codeParams},
		{`{"method":"get_n_service_nodes","params":{"limit":"many"}}`, codeParams},
		{`{"method":"register_service_node","params":[]}`, codeParams},
		{`{"method":"register_service_node"}`, nodelist.CodeRegistrationRefused},
		{string(late), nodelist.CodeRegistrationClock},
	} {
		var got seedAnswer
		if err := json.Unmarshal(ask(t, r, test.body).Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got.Error == nil || got.Error.Code != test.code {
			t.Errorf("%s: %+v, want code %d", test.body, got.Error, test.code)
		}
	}
	if got := ask(t, r, strings.Repeat(" ", maxSeedBody+1)); got.Code != 400 {
		t.Errorf("an endless request gets status %d", got.Code)
	}
	for _, request := range []*http.Request{
		httptest.NewRequest(http.MethodGet, nodelist.SeedPath, nil),
		httptest.NewRequest(http.MethodPost, "/", nil),
	} {
		recorder := httptest.NewRecorder()
		newSeedServer(r, discard).Handler.ServeHTTP(recorder, request)
		if recorder.Code != 405 && recorder.Code != 404 {
			t.Errorf("%s %s: status %d", request.Method, request.URL.Path, recorder.Code)
		}
	}
}

// Whatever is sent, the registry answers JSON with a result or an error, and never lists what did not sign.
func FuzzSeedBody(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":"0","method":"get_n_service_nodes","params":{"fields":{"public_ip":true},"limit":1}}`))
	f.Add([]byte(`{"id":[{}],"method":"get_n_service_nodes","params":{"fields":["swarm_id"],"poll_block_hash":"x"}}`))
	registration, err := storage.NewRequest(nodelist.MethodRegister,
		ring.Registration(keys(5), "192.0.2.1", 7, day.Add(-time.Hour)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(registration)
	r := newRegistry(f, 5)
	if err := r.register(announcement(1)); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		text, err := json.Marshal(r.answer(t.Context(), "127.0.0.1:1", body))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte(`"result":`)) && !bytes.Contains(text, []byte(`"error":`)) {
			t.Errorf("answer %s", text)
		}
		if len(r.state.Nodes) != 1 || swarm.SwarmID(r.state.Nodes[0].SwarmID) == swarm.NoSwarm {
			t.Errorf("the list became %v", r.state.Nodes)
		}
	})
}
