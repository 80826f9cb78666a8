package listing

import (
	"bufio"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/swarm"
)

func TestParseSeedAnswer(t *testing.T) {
	nodes, _, err := ParseSeedAnswer(fakenet.SeedAnswer(fakenet.SeedEntry(nil)))
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
		nodes, _, err := ParseSeedAnswer(fakenet.SeedAnswer(fakenet.SeedEntry(test.change)))
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
		good := fakenet.SeedEntry(map[string]string{"pubkey_ed25519": `"` + strings.Repeat("c3", 32) + `"`})
		nodes, _, err := ParseSeedAnswer(fakenet.SeedAnswer(fakenet.SeedEntry(change), good))
		if err != nil || len(nodes) != 1 || nodes[0].Ed25519[0] != 0xc3 {
			t.Errorf("%v: got %+v, %v; want the good entry alone", change, nodes, err)
		}
	}
	if nodes, _, err := ParseSeedAnswer(fakenet.SeedAnswer(`7`, `null`, `"x"`, fakenet.SeedEntry(nil),
		fakenet.SeedEntry(map[string]string{"storage_port": "1"}))); err != nil || len(nodes) != 1 || nodes[0].Port != 22021 {
		t.Errorf("got %+v, %v; want the first entry with its key alone", nodes, err)
	}
}

func TestSeedAnswersThatAreNone(t *testing.T) {
	tooMany := make([]string, MaxNodes+1)
	for i := range tooMany {
		tooMany[i] = "{}"
	}
	for name, body := range map[string][]byte{
		"nothing": nil, "no JSON": []byte("<html>"),
		"an error":               []byte(`{"error":{"code":-32601,"message":"Method not found"}}`),
		"no list":                []byte(`{"result":{"status":"BUSY"}}`),
		"a list of another kind": []byte(`{"result":{"service_node_states":{}}}`),
		"an empty list":          fakenet.SeedAnswer(),
		"no usable entry":        fakenet.SeedAnswer(`{}`),
		"too many":               fakenet.SeedAnswer(append(tooMany, fakenet.SeedEntry(nil))...),
	} {
		if nodes, _, err := ParseSeedAnswer(body); err == nil {
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
		nodes, _, err := ParseSeedAnswer(row.Response.Body)
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
	f.Add([]byte(fakenet.SeedEntry(nil)))
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
	if !new(seedState).readPlain(gjson.Parse(fakenet.SeedEntry(nil))) {
		t.Errorf("%s is not read", fakenet.SeedEntry(nil))
	}
}

// Whatever a seed says, a list is bounded and every node in it can be reached by its own account, and it survives
// JSON, as in the state file.
func FuzzParseSeedAnswer(f *testing.F) {
	f.Add(fakenet.SeedAnswer(fakenet.SeedEntry(nil)))
	f.Add(fakenet.SeedAnswer(fakenet.SeedEntry(map[string]string{"storage_port": `"1"`, "swarm_id": `"x"`}), `{}`, `null`))
	f.Add([]byte(`{"result":{"service_node_states":[[]]}}`))
	f.Add([]byte(`{"result":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		nodes, _, err := ParseSeedAnswer(body)
		if err != nil {
			return
		}
		keys := make(map[Key]bool)
		for _, node := range nodes {
			keys[node.Ed25519] = true
		}
		if len(nodes) == 0 || len(nodes) > MaxNodes || len(keys) != len(nodes) {
			t.Fatalf("%d nodes with %d keys", len(nodes), len(keys))
		}
		for _, node := range nodes {
			if node.Port == 0 || node.IP == "" {
				t.Errorf("%+v cannot be reached", node)
			}
		}
		data, err := json.Marshal(nodes)
		var again []Node
		if err == nil {
			err = json.Unmarshal(data, &again)
		}
		if err != nil || !reflect.DeepEqual(again, nodes) {
			t.Errorf("%+v became %+v, %v", nodes, again, err)
		}
	})
}
