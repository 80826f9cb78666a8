package rpc20_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/signtext"
)

// Requests are, byte for byte, those of the 2020 client (signal-2020.md section 2.1).
func TestRequests(t *testing.T) {
	const key = "0501"
	for _, test := range []struct {
		method string
		params any
		want   string
	}{
		{
			storage.MethodStore,
			rpc20.StoreParams{
				PubKey: key, TTL: "345600000", Nonce: "AAAAAAAAABE=", Timestamp: "1591360000000", Data: "CAESBg==",
			},
			`{"jsonrpc":"2.0","id":"0","method":"store","params":{"pubKey":"0501","ttl":"345600000",` +
				`"nonce":"AAAAAAAAABE=","timestamp":"1591360000000","data":"CAESBg=="}}`,
		},
		{
			storage.MethodRetrieve, rpc20.RetrieveParams{PubKey: key},
			`{"jsonrpc":"2.0","id":"0","method":"retrieve","params":{"pubKey":"0501","lastHash":""}}`,
		},
		{
			storage.MethodSwarm, rpc20.SwarmParams{PubKey: key},
			`{"jsonrpc":"2.0","id":"0","method":"get_snodes_for_pubkey","params":{"pubKey":"0501"}}`,
		},
		{
			"anything", map[string]any{"text": "a<b>&"},
			`{"jsonrpc":"2.0","id":"0","method":"anything","params":{"text":"a<b>&"}}`,
		},
	} {
		body, err := storage.NewRequest(test.method, test.params)
		if err != nil || string(body) != test.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", test.method, body, err, test.want)
		}
	}
	if _, err := storage.NewRequest("anything", make(chan int)); err == nil {
		t.Error("what has no JSON was marshalled")
	}
}

// Fields that a 2020 server does not read come after those that it reads (signal-2020.md section 2.1, session-v1.md
// section 8).
func TestSignedRetrieve(t *testing.T) {
	body, err := storage.NewRequest(storage.MethodRetrieve, rpc20.RetrieveParams{
		PubKey: "05", LastHash: "ab", PubkeyEd25519: "cd", Timestamp: "17", Signature: "ef",
	})
	want := `{"jsonrpc":"2.0","id":"0","method":"retrieve","params":` +
		`{"pubKey":"05","lastHash":"ab","pubkey_ed25519":"cd","timestamp":"17","signature":"ef"}}`
	if err != nil || string(body) != want {
		t.Errorf("got %s, %v, want %s", body, err, want)
	}
	if got := string(signtext.Retrieve(0, 17)); got != "retrieve17" {
		t.Errorf("signed is %q", got)
	}
}

// The types of this package encode every recorded request to the same bytes.
func TestRecordedRequests(t *testing.T) {
	var recorded struct {
		Onions []struct {
			Version int `json:"version"`
			Layers  []struct {
				Plaintext vectors.Hex `json:"plaintext"`
			} `json:"layers_outer_to_inner"`
		} `json:"onion_requests"`
		Proxied []struct {
			Plaintext string `json:"plaintext_json"`
		} `json:"proxy_requests"`
	}
	vectors.Load(t, "onion.json", &recorded)
	var requests [][]byte
	for _, onion := range recorded.Onions {
		plaintext := onion.Layers[len(onion.Layers)-1].Plaintext
		if onion.Version == 2 {
			length := binary.LittleEndian.Uint32(plaintext)
			requests = append(requests, plaintext[4:][:length])
		} else {
			requests = append(requests, bodyOf(t, plaintext))
		}
	}
	for _, proxied := range recorded.Proxied {
		requests = append(requests, bodyOf(t, []byte(proxied.Plaintext)))
	}
	if len(requests) == 0 {
		t.Skip("the recording has no requests")
	}
	for _, request := range requests {
		var call struct {
			Method string          `json:"method"`
			Params json.RawMessage `json:"params"`
		}
		if err := json.Unmarshal(request, &call); err != nil {
			t.Fatal(err)
		}
		params := map[string]any{
			storage.MethodStore: &rpc20.StoreParams{}, storage.MethodRetrieve: &rpc20.RetrieveParams{},
			storage.MethodSwarm: &rpc20.SwarmParams{},
		}[call.Method]
		if err := json.Unmarshal(call.Params, params); err != nil {
			t.Fatal(err)
		}
		if got, err := storage.NewRequest(call.Method, params); err != nil || !bytes.Equal(got, request) {
			t.Errorf(" got %s, %v\nwant %s", got, err, request)
		}
	}
}

func bodyOf(t *testing.T, plaintext []byte) []byte {
	t.Helper()
	var layer struct {
		Body string `json:"body"`
	}
	if err := json.Unmarshal(plaintext, &layer); err != nil {
		t.Fatal(err)
	}
	return []byte(layer.Body)
}

// A server of 2020 does not say whether there is more: it gives ten messages. A node that says it is believed.
func TestParsePage(t *testing.T) {
	list := func(count int) string {
		return strings.TrimSuffix(strings.Repeat(`{"hash":"a","data":"YQ==","expiration":5},`, count), ",")
	}
	for _, test := range []struct {
		count int
		said  string
		more  bool
	}{
		{0, "", false}, {rpc20.MaxRetrieved - 1, "", false}, {rpc20.MaxRetrieved, "", true},
		{0, `,"more":true`, true}, {rpc20.MaxRetrieved, `,"more":false`, false},
		{storage.MaxPage, `,"more":false`, false}, {storage.MaxPage + 1, `,"more":false`, true},
	} {
		page, err := rpc20.ParsePage(fmt.Sprintf(`{"messages":[%s]%s}`, list(test.count), test.said))
		if err != nil || len(page.Messages) != min(test.count, storage.MaxPage) || *page.More != test.more {
			t.Errorf("%d messages and %q: %d, %v", test.count, test.said, len(page.Messages), err)
		}
	}
	if page, err := rpc20.ParsePage(`{"messages":[{}]}`); err == nil || page.Messages != nil {
		t.Errorf("a message without a hash: %+v, %v", page, err)
	}
}
