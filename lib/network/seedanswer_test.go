package network

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/swarm"
)

// entry makes one node of a list with the fields that matter, changed or removed (empty) as given.
func entry(change map[string]string) string {
	fields := map[string]string{
		"pubkey_ed25519": `"` + strings.Repeat("a1", 32) + `"`, "pubkey_x25519": `"` + strings.Repeat("b2", 32) + `"`,
		"public_ip": `"192.0.2.7"`, "storage_port": `22021`, "swarm_id": `18446744073709551614`,
		"service_node_pubkey": `"` + strings.Repeat("00", 32) + `"`,
	}
	var members []string
	for name, value := range fields {
		if changed, ok := change[name]; ok {
			value = changed
		}
		if value != "" {
			members = append(members, fmt.Sprintf("%q:%s", name, value))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func list(entries ...string) []byte {
	return []byte(`{"jsonrpc":"2.0","id":0,"result":{"status":"OK","service_node_states":[` +
		strings.Join(entries, ",") + `]}}`)
}

func TestParseSeedAnswer(t *testing.T) {
	nodes, _, err := parseSeedAnswer(list(entry(nil)))
	if err != nil || len(nodes) != 1 {
		t.Fatalf("got %v, %v", nodes, err)
	}
	want := Node{IP: "192.0.2.7", Port: 22021, SwarmID: swarm.NoSwarm - 1, Address: strings.Repeat("y", 52) + ".snode"}
	for i := range 32 {
		want.Ed25519[i], want.X25519[i] = 0xa1, 0xb2
	}
	if nodes[0] != want {
		t.Errorf("got %+v, want %+v", nodes[0], want)
	}
}

// Seeds of different times write things differently.
func TestSeedEntriesAreReadLeniently(t *testing.T) {
	for _, test := range []struct {
		name   string
		change map[string]string
		check  func(Node) bool
	}{
		{"port as text", map[string]string{"storage_port": `"22021"`}, func(n Node) bool { return n.Port == 22021 }},
		{"swarm as text", map[string]string{"swarm_id": `"5"`}, func(n Node) bool { return n.SwarmID == 5 }},
		{"no swarm told", map[string]string{"swarm_id": ""}, func(n Node) bool { return n.SwarmID == swarm.NoSwarm }},
		{"no legacy key", map[string]string{"service_node_pubkey": ""}, func(n Node) bool { return n.Address == "" }},
		{"bad legacy key", map[string]string{"service_node_pubkey": `"xyz"`},
			func(n Node) bool { return n.Address == "" }},
		{"IPv6", map[string]string{"public_ip": `"2001:db8::1"`}, func(n Node) bool { return n.IP == "2001:db8::1" }},
	} {
		nodes, _, err := parseSeedAnswer(list(entry(test.change)))
		if err != nil || len(nodes) != 1 || !test.check(nodes[0]) {
			t.Errorf("%s: got %+v, %v", test.name, nodes, err)
		}
	}
}

// What cannot be used is left out, and does not spoil the rest.
func TestBadSeedEntriesAreLeftOut(t *testing.T) {
	for _, change := range []map[string]string{
		{"pubkey_ed25519": ""}, {"pubkey_ed25519": `"abcd"`}, {"pubkey_ed25519": `7`}, {"pubkey_x25519": ""},
		{"public_ip": ""}, {"public_ip": `"0.0.0.0"`}, {"public_ip": `"::"`}, {"public_ip": `"example.com"`},
		{"storage_port": ""}, {"storage_port": `0`}, {"storage_port": `65536`}, {"storage_port": `-1`},
		{"storage_port": `1.5`},
		{"storage_port": `"x"`}, {"storage_port": `""`}, {"swarm_id": `{}`},
		{"pubkey_ed25519": `"` + strings.Repeat("00", 32) + `"`},     // of order 4
		{"pubkey_ed25519": `"` + strings.Repeat("00", 31) + `80"`},   // the same with the other sign
		{"pubkey_ed25519": `"ee` + strings.Repeat("ff", 30) + `7f"`}, // the neutral point, not reduced
		{"pubkey_x25519": `"` + strings.Repeat("00", 32) + `"`},      // of order 2
		{"pubkey_x25519": `"01` + strings.Repeat("00", 30) + `80"`},  // of order 4, with the top bit
	} {
		good := entry(map[string]string{"pubkey_ed25519": `"` + strings.Repeat("c3", 32) + `"`})
		nodes, _, err := parseSeedAnswer(list(entry(change), good))
		if err != nil || len(nodes) != 1 || nodes[0].Ed25519[0] != 0xc3 {
			t.Errorf("%v: got %+v, %v; want the good entry alone", change, nodes, err)
		}
	}
	if nodes, _, err := parseSeedAnswer(list(`7`, `null`, `"x"`, entry(nil),
		entry(map[string]string{"storage_port": "1"}))); err != nil || len(nodes) != 1 || nodes[0].Port != 22021 {
		t.Errorf("got %+v, %v; want the first entry with its key alone", nodes, err)
	}
}

func TestSeedAnswersThatAreNone(t *testing.T) {
	tooMany := make([]string, maxNodes+1)
	for i := range tooMany {
		tooMany[i] = "{}"
	}
	for name, body := range map[string][]byte{
		"nothing": nil, "no JSON": []byte("<html>"),
		"an error":               []byte(`{"error":{"code":-32601,"message":"Method not found"}}`),
		"no list":                []byte(`{"result":{"status":"BUSY"}}`),
		"a list of another kind": []byte(`{"result":{"service_node_states":{}}}`),
		"an empty list":          list(),
		"no usable entry":        list(`{}`),
		"too many":               list(append(tooMany, entry(nil))...),
	} {
		if nodes, _, err := parseSeedAnswer(body); err == nil {
			t.Errorf("%s: got %+v", name, nodes)
		}
	}
}

// The lists that real nodes gave are understood.
func TestRecordedNodeLists(t *testing.T) {
	file, err := os.Open(vectors.Path(t, "node-today.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var row struct {
			Response struct {
				Body json.RawMessage `json:"body"`
			} `json:"response"`
		}
		var answer struct {
			Result struct {
				States []nodelist.State `json:"service_node_states"`
			} `json:"result"`
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		if json.Unmarshal(row.Response.Body, &answer) != nil || len(answer.Result.States) == 0 {
			continue
		}
		nodes, _, err := parseSeedAnswer(row.Response.Body)
		if err != nil || len(nodes) != len(answer.Result.States) {
			t.Fatalf("understood %d nodes of %d, %v", len(nodes), len(answer.Result.States), err)
		}
		for i, state := range answer.Result.States {
			node := nodes[i]
			if node.Ed25519.String() != state.PubkeyEd25519 || node.X25519.String() != state.PubkeyX25519 ||
				node.IP != state.PublicIP || node.Port != state.StoragePort {
				t.Errorf("got %+v of %+v", node, state)
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// What readPlain reads, it reads as json.Unmarshal does. The entries of real seeds are among that.
func FuzzPlainState(f *testing.F) {
	f.Add([]byte(entry(nil)))
	f.Add([]byte(`{"Pubkey_ed25519":"x","pubkey_ed25519":"\u0061","storage_port":1e3,"swarm_id":18446744073709551615}`))
	f.Add([]byte(`{"public_ip":"a","public_ip":null,"storage_port":"7"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var plain, want seedState
		if !json.Valid(raw) || !utf8.Valid(raw) || !plain.readPlain(gjson.ParseBytes(raw)) {
			return
		}
		if err := json.Unmarshal(raw, &want); err != nil || plain != want {
			t.Errorf("%q: %+v, want %+v, %v", raw, plain, want, err)
		}
	})
}

func TestUsualStatesArePlain(t *testing.T) {
	if !new(seedState).readPlain(gjson.Parse(entry(nil))) {
		t.Errorf("%s is not read", entry(nil))
	}
}

// Whatever a seed says, a list is bounded and every node in it can be reached by its own account, and it survives the
// state file.
func FuzzParseSeedAnswer(f *testing.F) {
	f.Add(list(entry(nil)))
	f.Add(list(entry(map[string]string{"storage_port": `"1"`, "swarm_id": `"x"`}), `{}`, `null`))
	f.Add([]byte(`{"result":{"service_node_states":[[]]}}`))
	f.Add([]byte(`{"result":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		nodes, _, err := parseSeedAnswer(body)
		if err != nil {
			return
		}
		if len(nodes) == 0 || len(nodes) > maxNodes || len(keysOf(nodes)) != len(nodes) {
			t.Fatalf("%d nodes with %d keys", len(nodes), len(keysOf(nodes)))
		}
		for _, node := range nodes {
			if node.Port == 0 || node.IP == "" {
				t.Errorf("%+v cannot be reached", node)
			}
		}
		data, err := json.Marshal(state{Nodes: nodes})
		var again state
		if err == nil {
			err = json.Unmarshal(data, &again)
		}
		if err != nil || !reflect.DeepEqual(again.Nodes, nodes) {
			t.Errorf("%+v became %+v, %v", nodes, again.Nodes, err)
		}
	})
}

func TestSeedURL(t *testing.T) {
	for text, want := range map[string]string{
		"http://127.0.0.1:22023":          "http://127.0.0.1:22023/json_rpc",
		"http://127.0.0.1:22023/":         "http://127.0.0.1:22023/json_rpc",
		"http://127.0.0.1:22023/json_rpc": "http://127.0.0.1:22023/json_rpc",
		"https://seed.example":            "https://seed.example/json_rpc",
		"https://seed.example/other":      "https://seed.example/other",
		"http://[2001:db8::1]:80":         "http://[2001:db8::1]:80/json_rpc",
	} {
		if got, err := seedURL(text); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "127.0.0.1:22023", "localhost:22023", "seed.example", "ftp://seed.example",
		"http://", "http:///x", "http://:80", "http://[", "/file"} {
		if got, err := seedURL(text); !errors.Is(err, ErrBadNetwork) {
			t.Errorf("%q is %s, %v; want ErrBadNetwork", text, got, err)
		}
	}
}
