package node

import (
	"encoding/hex"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/pow"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/swarm"
)

// newReplay learns from the recording which node was in which swarm.
func newReplay(t *testing.T, rows []row) *replay {
	t.Helper()
	swarms, ports, keys := make(map[int]swarm.SwarmID), make(map[int]bool), make(map[string]int)
	note := regexp.MustCompile(`key of swarm (\d+)`)
	for _, row := range rows {
		if row.Port != 0 {
			ports[row.Port] = true
		}
		var list rpc20.SwarmAnswer
		if json.Unmarshal([]byte(row.Response.Text), &list) == nil {
			for _, snode := range list.Snodes {
				port, _ := strconv.Atoi(snode.Port)
				keys[snode.PubkeyEd25519], keys[strings.TrimSuffix(snode.Address, ".snode")] = port, port
			}
		}
		match := note.FindStringSubmatch(row.Note)
		if match == nil || row.Status == nil || *row.Status != 200 {
			continue
		}
		id, err := strconv.ParseUint(match[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		for _, port := range recordedPorts(t, row.Response.Text) {
			swarms[port], ports[port] = swarm.SwarmID(id), true
		}
	}
	if len(swarms) == 0 {
		t.Skip("the recording does not say who is in which swarm")
	}
	r := &replay{
		rows: rows, first: slices.Min(keysOf(ports)), foreign: make(map[string]bool), owners: make(map[string]string),
		keys: keys, replayed: make(map[string]int), left: make(map[string]int), differences: make(map[string]int),
	}
	r.clock.Store(int64(rows[0].T * 1000))
	count := slices.Max(keysOf(ports)) - r.first + 1
	for _, row := range rows {
		if change, ok := row.change(t); ok {
			count = max(count, change.Node+1)
		}
	}
	ids := make([]swarm.SwarmID, count)
	for i := range ids {
		id, listed := swarms[r.first+i]
		if !listed {
			id = swarm.NoSwarm
		}
		ids[i] = id
	}
	r.testNetwork = startNetwork(t, ids, func(_ int, config *Config) {
		config.AllowUnsigned = true
		config.Now = func() time.Time { return time.UnixMilli(r.clock.Load()) }
	})
	r.absent = make([]bool, len(ids))
	for i, id := range ids {
		r.absent[i] = id == swarm.NoSwarm
	}
	r.publish()
	return r
}

// publish gives every node the list as it stands.
func (r *replay) publish() {
	r.t.Helper()
	var listed []nodelist.State
	for i, state := range r.states {
		if !r.absent[i] {
			listed = append(listed, state)
		}
	}
	r.directory.set(listed...)
	for _, node := range r.nodes {
		eventually(r.t, "the list", func() bool { return node.members.View().BlockHash == r.directory.blockHash() })
	}
}

// listNote begins the note of a row about the node list.
const listNote = "mock lokid: "

// listChange is a change of membership: {"op": "assign", "node": 10, "swarm": 5}, where the swarm may also be "absent"
// or "decommissioned"; or {"op": "block"}, a new block without one.
type listChange struct {
	Op    string
	Node  int
	Swarm json.RawMessage
}

func (row row) change(t testing.TB) (change listChange, ok bool) {
	t.Helper()
	text, ok := strings.CutPrefix(row.Note, listNote)
	if ok {
		if err := json.Unmarshal([]byte(text), &change); err != nil {
			t.Fatalf("row %d: %v", row.N, err)
		}
	}
	return change, ok
}

// change repeats a change of the node list.
func (r *replay) change(i int) {
	r.t.Helper()
	change, _ := r.rows[i].change(r.t)
	if change.Op == "assign" {
		id, err := strconv.ParseUint(string(change.Swarm), 10, 64)
		if err != nil {
			id = uint64(swarm.NoSwarm)
		}
		r.states[change.Node].SwarmID = id
		r.absent[change.Node] = string(change.Swarm) == `"absent"`
	}
	r.publish()
}

// place puts a key where the recorded server put it.
func (r *replay) place(i int) {
	r.t.Helper()
	row, v := r.rows[i], &ring.View{}
	for _, text := range row.Swarms {
		id, err := strconv.ParseUint(text, 16, 64)
		if err != nil {
			r.t.Fatal(err)
		}
		v.IDs = append(v.IDs, swarm.SwarmID(id))
	}
	// The place is the XOR of the four words of the key.
	if got, ok := v.SwarmIDOf("05" + strings.Repeat("0", 48) + row.Key); !ok || got.String() != row.Server {
		r.t.Errorf("row %d: key %s is put into swarm %v of %v, want %s", row.N, row.Key, got, row.Swarms, row.Server)
	}
}

func keysOf(set map[int]bool) (keys []int) {
	for key := range set {
		keys = append(keys, key)
	}
	return keys
}

func recordedPorts(t testing.TB, body string) (ports []int) {
	t.Helper()
	var answer rpc20.SwarmAnswer
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	for _, snode := range answer.Snodes {
		port, err := strconv.Atoi(snode.Port)
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, port)
	}
	return ports
}

var lastHash = regexp.MustCompile(`"lastHash": ?"([0-9a-f]{128})"`)

func askedAfter(request string) string {
	if match := lastHash.FindStringSubmatch(request); match != nil {
		return match[1]
	}
	return ""
}

// seed stores, in all members, messages that recorded answers hold but no recorded request has stored.
func (r *replay) seed() {
	r.t.Helper()
	for _, row := range r.rows {
		text := row.Request.Text
		if row.Hops != nil {
			text = row.Inner
		}
		if params, ok := storeParams(text); ok {
			r.owners[store.NewMessage20(params).HashText()] = params.PubKey
		}
	}
	for _, row := range r.rows {
		request, response := row.Request.Text, row.Response.Text
		if row.Opened != nil {
			request, response = row.Inner, row.Opened.Body
		}
		var asked struct{ Params rpc20.RetrieveParams }
		var got rpc20.RetrieveAnswer
		if json.Unmarshal([]byte(request), &asked) != nil || json.Unmarshal([]byte(response), &got) != nil {
			continue
		}
		for _, stored := range got.Messages {
			if r.owners[stored.Hash] != "" {
				continue
			}
			r.owners[stored.Hash] = asked.Params.PubKey
			hash, err := hex.DecodeString(stored.Hash)
			if err != nil || len(hash) != 64 {
				r.t.Fatalf("row %d: hash %q", row.N, stored.Hash)
			}
			m := store.Message{Hash: [64]byte(hash),
				Message: pow.Message{PubKey: asked.Params.PubKey, Data: stored.Data}}
			m.TTL = strconv.Itoa(storage.MaxTTLMillis20)
			m.Timestamp = strconv.FormatInt(stored.Expiration-storage.MaxTTLMillis20, 10)
			for _, node := range r.nodes {
				mustInsert(r.t, node.store, m)
			}
		}
	}
}

// storeParams reads a store request whose fields are all texts.
func storeParams(request string) (rpc20.StoreParams, bool) {
	var call struct {
		Method string
		Params rpc20.StoreParams
	}
	err := json.Unmarshal([]byte(request), &call)
	return call.Params, err == nil && call.Method == storage.MethodStore &&
		len(call.Params.PubKey) == storage.PubkeyTextLength
}
