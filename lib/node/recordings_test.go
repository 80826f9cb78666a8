package node

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/onion"
	"sessiontool/lib/pow"
	"sessiontool/lib/rpc"
	"sessiontool/lib/swarm"
)

// row is a line of node-2020.jsonl: an HTTP exchange with one of the recorded nodes, or, with Hops, what was inside
// the onion request of the line before.
type row struct {
	N        int        `json:"n"`
	T        float64    `json:"t"` // seconds since 1970, at the end of the exchange
	MS       float64    `json:"ms"`
	Note     string     `json:"note"`
	Port     int        `json:"node_port"`
	Method   string     `json:"method"`
	Path     string     `json:"path"`
	Request  recordBody `json:"request_body"`
	Status   *int       `json:"status"`
	Response recordBody `json:"response_body"`
	Header   struct {
		ContentType *string `json:"Content-Type"`
	} `json:"response_headers"`

	Hops   []int  `json:"hops"`
	Inner  string `json:"inner_request"`
	Opened *struct {
		Body   string `json:"body"`
		Status int    `json:"status"`
	} `json:"opened_response"`
}

// recordBody is a body as text or, where it is none, in base64. Long runs of one character at the end are cut off,
// together with what closes the JSON behind them.
type recordBody struct {
	Text          string `json:"text"`
	Base64        string `json:"base64"`
	TruncatedFrom int    `json:"truncated_from"`
}

// bytes returns the whole body, or false if what was cut off cannot be made again.
func (b recordBody) bytes(t testing.TB) ([]byte, bool) {
	t.Helper()
	if b.Base64 != "" {
		raw, err := base64.StdEncoding.DecodeString(b.Base64)
		if err != nil {
			t.Fatal(err)
		}
		return raw, true
	}
	if b.TruncatedFrom == 0 {
		return []byte(b.Text), true
	}
	last := b.Text[len(b.Text)-1:]
	end := `"}}`
	if last == " " {
		end = ""
	}
	missing := b.TruncatedFrom - len(b.Text) - len(end)
	if missing < 0 || !strings.HasSuffix(b.Text, strings.Repeat(last, 100)) {
		return nil, false
	}
	return []byte(b.Text + strings.Repeat(last, missing) + end), true
}

func loadRows(t *testing.T) []row {
	t.Helper()
	data, err := os.ReadFile(vectors.Path(t, "node-2020.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	for lines.Scan() {
		var r row
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("line %d: %v", len(rows)+1, err)
		}
		rows = append(rows, r)
	}
	return rows
}

// replay is our nodes in the place of the recorded ones: as many, in the same swarms, with the clock of that day.
type replay struct {
	*testNetwork
	first   int // the recorded port of node 0
	clock   atomic.Int64
	foreign map[string]bool   // hashes of messages that recorded peers do not accept, and ours do
	owners  map[string]string // by hash
	absent  []bool            // nodes that the list lacks
}

// TestRecordedExchanges puts what the real server was asked to our node, byte for byte and at the same time of its
// clock, and compares the answers.
func TestRecordedExchanges(t *testing.T) {
	rows := loadRows(t)
	r := newReplay(t, rows)
	r.seed(rows)
	replayed := 0
	for _, row := range rows {
		r.clock.Store(int64(row.T*1000 - row.MS))
		if assignment, ok := strings.CutPrefix(row.Note, "mock lokid: "); ok {
			r.assign(assignment)
			continue
		}
		switch {
		case row.Method != "" && r.comparable(row):
			r.exchange(row)
		case row.Opened != nil && row.Opened.Body != onion.TextJSON: // that one is another layer than ours
			r.throughOnion(row)
		default:
			continue
		}
		replayed++
	}
	if replayed == 0 {
		t.Error("nothing was replayed")
	}
	t.Logf("%d of %d rows replayed", replayed, len(rows))
}

// newReplay learns from the recording which node was in which swarm.
func newReplay(t *testing.T, rows []row) *replay {
	t.Helper()
	swarms, ports := make(map[int]swarm.SwarmID), make(map[int]bool)
	note := regexp.MustCompile(`key of swarm (\d+)`)
	for _, row := range rows {
		if row.Port != 0 {
			ports[row.Port] = true
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
	r := &replay{foreign: make(map[string]bool), owners: make(map[string]string), first: slices.Min(keysOf(ports))}
	r.clock.Store(int64(rows[0].T * 1000))
	ids := make([]swarm.SwarmID, slices.Max(keysOf(ports))-r.first+1)
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
	var listed []rpc.NodeState
	for i, state := range r.states {
		if !r.absent[i] {
			listed = append(listed, state)
		}
	}
	r.directory.set(listed...)
	for _, node := range r.nodes {
		eventually(r.t, "the list", func() bool { return node.members.view().blockHash == r.directory.blockHash() })
	}
}

// assign repeats a change of membership: {"op": "assign", "node": 10, "swarm": 5}, where the swarm may also be "absent"
// or "decommissioned".
func (r *replay) assign(text string) {
	r.t.Helper()
	var change struct {
		Op    string
		Node  int
		Swarm json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &change); err != nil {
		r.t.Fatal(err)
	}
	if change.Op != "assign" || change.Node >= len(r.nodes) {
		return
	}
	id, err := strconv.ParseUint(string(change.Swarm), 10, 64)
	if err != nil {
		id = uint64(swarm.NoSwarm)
	}
	r.states[change.Node].SwarmID = id
	r.absent[change.Node] = string(change.Swarm) == `"absent"`
	r.publish()
}

func keysOf(set map[int]bool) (keys []int) {
	for key := range set {
		keys = append(keys, key)
	}
	return keys
}

func recordedPorts(t testing.TB, body string) (ports []int) {
	t.Helper()
	var answer rpc.SwarmAnswer
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

// comparable leaves out what our nodes do not serve, and onion layers, which only the recorded nodes can open.
func (r *replay) comparable(row row) bool {
	if strings.HasPrefix(row.Path, "/swarms/") || row.Path == "/proxy" || row.Path == "/file_proxy" || strings.Contains(row.Request.Text, "get_lns_mapping") {
		return false
	}
	if strings.HasPrefix(row.Path, "/onion_req") {
		return row.Status == nil || strings.HasPrefix(row.Response.Text, onion.TextOuter) || row.Response.Text == onion.TextCiphertext
	}
	// There, the hash of another key's message counts as lastHash too.
	owner, known := r.owners[askedAfter(row.Request.Text)]
	return !known || strings.Contains(row.Request.Text, owner)
}

var lastHash = regexp.MustCompile(`"lastHash": ?"([0-9a-f]{128})"`)

func askedAfter(request string) string {
	if match := lastHash.FindStringSubmatch(request); match != nil {
		return match[1]
	}
	return ""
}

// seed stores, in all members, messages that recorded answers hold but no recorded request has stored.
func (r *replay) seed(rows []row) {
	r.t.Helper()
	for _, row := range rows {
		text := row.Request.Text
		if row.Hops != nil {
			text = row.Inner
		}
		if params, ok := storeParams(text); ok {
			r.owners[newMessage(params).hashText()] = params.PubKey
		}
	}
	for _, row := range rows {
		request, response := row.Request.Text, row.Response.Text
		if row.Opened != nil {
			request, response = row.Inner, row.Opened.Body
		}
		var asked struct{ Params rpc.RetrieveParams }
		var got rpc.RetrieveAnswer
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
			m := message{hash: [64]byte(hash), Message: pow.Message{PubKey: asked.Params.PubKey, Data: stored.Data}}
			m.TTL, m.Timestamp = strconv.Itoa(rpc.MaxTTLMillis), strconv.FormatInt(stored.Expiration-rpc.MaxTTLMillis, 10)
			for _, node := range r.nodes {
				mustInsert(r.t, node.store, m)
			}
		}
	}
}

// storeParams reads a store request whose fields are all texts.
func storeParams(request string) (rpc.StoreParams, bool) {
	var call struct {
		Method string
		Params rpc.StoreParams
	}
	err := json.Unmarshal([]byte(request), &call)
	return call.Params, err == nil && call.Method == rpc.MethodStore && len(call.Params.PubKey) == rpc.PubKeyTextLength
}
