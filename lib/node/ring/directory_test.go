package ring

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/internal/leakcheck"
	"sessiontool/lib/storage/nodelist"
)

// seedServer answers every POST with status and answer, and records the request in asked.
func seedServer(t *testing.T, status int, answer string) (seed *Seed, asked *string) {
	t.Helper()
	leakcheck.Check(t)
	asked = new(string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*asked = r.Method + " " + r.URL.Path + " " + string(body)
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	seed, err := NewSeed(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(seed.Close)
	return seed, asked
}

func TestSeedNodes(t *testing.T) {
	seed, asked := seedServer(t, 200, `{"jsonrpc":"2.0","id":"0",
		"result":{"block_hash":"ab","height":7,"hardfork":15,"status":"OK","service_node_states":[
			{"service_node_pubkey":"aa","swarm_id":18446744073709551615,"storage_port":22021,
			 "public_ip":"192.0.2.1","funded":true}
		]}}`)
	got, err := seed.Nodes(t.Context(), "aa")
	if err != nil {
		t.Fatal(err)
	}
	want := nodelist.State{
		PubkeyLegacy: "aa", SwarmID: 1<<64 - 1, StoragePort: 22021, PublicIP: "192.0.2.1", Funded: true,
	}
	if got.BlockHash != "ab" || len(got.States) != 1 || got.States[0] != want {
		t.Errorf("the list is %+v", got)
	}
	const request = `POST /json_rpc {"jsonrpc":"2.0","id":"0","method":"get_n_service_nodes","params":{` +
		`"poll_block_hash":"aa","fields":{"active":true,`
	if !strings.HasPrefix(*asked, request) {
		t.Errorf("asked %s", *asked)
	}
}

func TestSeedRegister(t *testing.T) {
	seed, asked := seedServer(t, 200, `{"result":{"status":"OK"}}`)
	keys, at := KeysFromSeed([32]byte{1}), time.UnixMilli(1795391232497)
	if err := seed.Register(t.Context(), keys, "192.0.2.1", 22021, at); err != nil {
		t.Fatal(err)
	}
	params, err := json.Marshal(Registration(keys, "192.0.2.1", 22021, at))
	if err != nil {
		t.Fatal(err)
	}
	want := `POST /json_rpc {"jsonrpc":"2.0","id":"0","method":"register_service_node","params":` + string(params) + `}`
	if *asked != want {
		t.Errorf("asked %s, want %s", *asked, want)
	}
}

func TestSeedErrors(t *testing.T) {
	for _, test := range []struct {
		status int
		answer string
	}{
		{500, `{"result":{}}`},
		{200, `no json`},
		{200, `{}`},
		{200, `{"result":[]}`},
		{200, `{"result":{"height":"x"}}`},
		{200, `{"error":{"code":-32000,"message":"registration refused"}}`},
	} {
		t.Run(test.answer, func(t *testing.T) {
			seed, _ := seedServer(t, test.status, test.answer)
			if got, err := seed.Nodes(t.Context(), ""); !errors.Is(err, ErrDirectory) {
				t.Errorf("%+v, %v; want ErrDirectory", got, err)
			}
		})
	}
}

// A registry's refusal keeps its reason.
func TestSeedRefusals(t *testing.T) {
	for code, want := range map[int]error{
		nodelist.CodeRegistrationRefused: ErrRefused, nodelist.CodeRegistrationClock: ErrClock, -32601: ErrDirectory,
	} {
		seed, _ := seedServer(t, 200, fmt.Sprintf(`{"error":{"code":%d,"message":"no"}}`, code))
		err := seed.Register(t.Context(), KeysFromSeed([32]byte{1}), "192.0.2.1", 1, time.Now())
		if !errors.Is(err, want) {
			t.Errorf("code %d: %v, want %v", code, err, want)
		}
	}
}

func TestNewSeed(t *testing.T) {
	for text, want := range map[string]string{
		"http://127.0.0.1:22023":        "http://127.0.0.1:22023/json_rpc",
		"https://seed.example/":         "https://seed.example/json_rpc",
		"http://127.0.0.1:1/other/path": "http://127.0.0.1:1/other/path",
	} {
		if seed, err := NewSeed(text); err != nil || seed.url != want {
			t.Errorf("%q: %v, %v; want %q", text, seed, err, want)
		}
	}
	for _, text := range []string{"", "127.0.0.1:22023", "ftp://127.0.0.1", "http://", "http://[::1", "seed"} {
		if _, err := NewSeed(text); !errors.Is(err, ErrSeedURL) {
			t.Errorf("%q: %v, want ErrSeedURL", text, err)
		}
	}
}
