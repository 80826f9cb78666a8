package rpc_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/rpc"
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
			rpc.MethodStore,
			rpc.StoreParams{PubKey: key, TTL: "345600000", Nonce: "AAAAAAAAABE=", Timestamp: "1591360000000", Data: "CAESBg=="},
			`{"jsonrpc":"2.0","id":"0","method":"store","params":{"pubKey":"0501","ttl":"345600000","nonce":"AAAAAAAAABE=","timestamp":"1591360000000","data":"CAESBg=="}}`,
		},
		{
			rpc.MethodRetrieve, rpc.RetrieveParams{PubKey: key},
			`{"jsonrpc":"2.0","id":"0","method":"retrieve","params":{"pubKey":"0501","lastHash":""}}`,
		},
		{
			rpc.MethodSwarm, rpc.SwarmParams{PubKey: key},
			`{"jsonrpc":"2.0","id":"0","method":"get_snodes_for_pubkey","params":{"pubKey":"0501"}}`,
		},
		{
			"anything", map[string]any{"text": "a<b>&"},
			`{"jsonrpc":"2.0","id":"0","method":"anything","params":{"text":"a<b>&"}}`,
		},
	} {
		body, err := rpc.NewRequest(test.method, test.params)
		if err != nil || string(body) != test.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", test.method, body, err, test.want)
		}
	}
	if _, err := rpc.NewRequest("anything", make(chan int)); err == nil {
		t.Error("what has no JSON was marshalled")
	}
}

// What signal-2020.md section 2.1 and session-v1.md section 8 do not have stands behind what a 2020 server reads.
func TestSignedRetrieve(t *testing.T) {
	body, err := rpc.NewRequest(rpc.MethodRetrieve, rpc.RetrieveParams{
		PubKey: "05", LastHash: "ab", PubkeyEd25519: "cd", Timestamp: "17", Signature: "ef",
	})
	want := `{"jsonrpc":"2.0","id":"0","method":"retrieve","params":` +
		`{"pubKey":"05","lastHash":"ab","pubkey_ed25519":"cd","timestamp":"17","signature":"ef"}}`
	if err != nil || string(body) != want {
		t.Errorf("got %s, %v, want %s", body, err, want)
	}
	if got := string(rpc.RetrieveSignatureText(0, 17)); got != "retrieve17" {
		t.Errorf("signed is %q", got)
	}
}

// Every request that the recorded clients sealed for a target comes out the same from the types here.
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
			rpc.MethodStore: &rpc.StoreParams{}, rpc.MethodRetrieve: &rpc.RetrieveParams{}, rpc.MethodSwarm: &rpc.SwarmParams{},
		}[call.Method]
		if err := json.Unmarshal(call.Params, params); err != nil {
			t.Fatal(err)
		}
		if got, err := rpc.NewRequest(call.Method, params); err != nil || !bytes.Equal(got, request) {
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

func TestSnodeAddress(t *testing.T) {
	pairs := recordedAddresses(t)
	if len(pairs) == 0 {
		t.Skip("the recordings have no addresses next to the keys that they are made of")
	}
	for _, address := range slices.Sorted(maps.Keys(pairs)) {
		key, err := hex.DecodeString(pairs[address])
		if err != nil {
			t.Fatal(err)
		}
		if got := rpc.SnodeAddress([32]byte(key)); got != address {
			t.Errorf("%x has the address %s, want %s", key, got, address)
		}
	}
}

// recordedAddresses finds, anywhere in the recordings, nodes that are listed with address and legacy key.
func recordedAddresses(t *testing.T) map[string]string {
	t.Helper()
	pairs := make(map[string]string)
	for _, name := range []string{"sessionjs_message.json", "onion.json"} {
		var value any
		vectors.Load(t, name, &value)
		collectAddresses(value, pairs)
	}
	file, err := os.Open(vectors.Path(t, "node-today.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		collectAddresses(lines.Text(), pairs)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return pairs
}

// collectAddresses looks into objects, lists, and texts that are JSON again.
func collectAddresses(value any, pairs map[string]string) {
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			collectAddresses(element, pairs)
		}
	case map[string]any:
		address, _ := value["address"].(string)
		for _, name := range []string{"sn_pubkey", "pubkey_legacy"} {
			if key, ok := value[name].(string); ok && strings.HasSuffix(address, ".snode") {
				pairs[address] = key
			}
		}
		for _, member := range value {
			collectAddresses(member, pairs)
		}
	case string:
		var inner any
		if strings.HasPrefix(value, "{") && json.Unmarshal([]byte(value), &inner) == nil {
			collectAddresses(inner, pairs)
		}
	}
}

// Whatever of a registration changes, what is signed changes.
func TestRegisterSignatureText(t *testing.T) {
	p := rpc.RegisterParams{PubkeyEd25519: "a", PubkeyX25519: "b", PublicIP: "c", StoragePort: 1, TimestampMS: 2, Signature: "d"}
	if got, want := string(rpc.RegisterSignatureText(p)), "register_service_node|a|b|c|1|2"; got != want {
		t.Errorf("signed is %q, want %q", got, want)
	}
}
