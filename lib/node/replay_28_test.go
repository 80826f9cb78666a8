package node

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/swarm"
)

// row28 is a line of node-today.jsonl, as far as it is an exchange over HTTPS.
type row28 struct {
	Name    string `json:"name"`
	Node    string `json:"node"`
	Request struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Headers map[string]string `json:"headers"`
		Body    json.RawMessage   `json:"body"`
	} `json:"request"`
	Response struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    json.RawMessage   `json:"body"`
	} `json:"response"`
}

// differences28 are rows, by what their requests contain, that our nodes answer in another way on purpose.
var differences28 = map[string]string{
	`"subaccount`:        "is refused",
	`revoke_subaccount"`: "is refused",
	`"all","pubkey":"05`: "delete_before of everything works here", // of all methods, see differs
}

// replay28 is our nodes in the place of the recorded ones.
type replay28 struct {
	*testNetwork
	clock atomic.Int64
	known map[string]bool // hashes of messages that are there, or were
	pad   bool            // whether requests are padded
}

// TestRecordings28 puts what the real 2.8 server was asked to our nodes, at the same time of its clock, and
// compares the answers: texts and statuses exactly, results of members but for their signatures, and messages.
func TestRecordings28(t *testing.T) { replayRecordings28(t, false) }

// TestPaddedRecordings28 puts the same requests with the padding of our clients, and with a parameter that no server
// knows. Neither changes an answer of the real server.
func TestPaddedRecordings28(t *testing.T) { replayRecordings28(t, true) }

func replayRecordings28(t *testing.T, pad bool) {
	rows := loadRows28(t)
	r := newReplay28(t, rows)
	r.seed(rows)
	r.pad = pad
	replayed := 0
	for _, row := range rows {
		if r.differs(row) {
			continue
		}
		if at := timeOf(row.Response.Body); at != 0 {
			r.clock.Store(at)
		}
		r.exchange(row)
		replayed++
	}
	if replayed == 0 {
		vectors.Missing(t, "nothing was replayed")
	}
	t.Logf("%d of %d rows replayed", replayed, len(rows))
}

// loadRows28 returns what was recorded over HTTPS with whole requests, up to where members are stopped.
func loadRows28(t *testing.T) (rows []row28) {
	t.Helper()
	data, err := os.ReadFile(vectors.Path(t, "node-today.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	for lines.Scan() {
		var row row28
		if json.Unmarshal(lines.Bytes(), &row) != nil || row.Request.Path == "" || row.Node == "" ||
			row.Response.Status == 0 {
			continue
		}
		if bytes.Contains(row.Response.Body, []byte(`"failed"`)) {
			break
		}
		if !bytes.Contains(row.Request.Body, []byte(`"bytes":`)) && !strings.HasPrefix(row.Request.Path, "/onion_req") {
			rows = append(rows, row)
		}
	}
	return rows
}

// timeOf returns the node's time in an answer, 0 if it has none.
func timeOf(body json.RawMessage) int64 {
	var clock rpc28.Clock
	if json.Unmarshal(body, &clock) != nil {
		return 0
	}
	return clock.T
}

// newReplay28 learns from the recorded swarms which node was in which.
func newReplay28(t *testing.T, rows []row28) *replay28 {
	t.Helper()
	swarms := make(map[int]swarm.SwarmID)
	for _, row := range rows {
		var answer rpc28.GetSwarmAnswer
		if json.Unmarshal(row.Response.Body, &answer) != nil || answer.Swarm == "" {
			continue
		}
		id, err := strconv.ParseUint(answer.Swarm, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		for _, member := range answer.Snodes {
			swarms[indexOf(t, member)] = swarm.SwarmID(id)
		}
	}
	if len(swarms) == 0 {
		t.Skip("the recording does not say who is in which swarm")
	}
	ids := slices.Collect(func(yield func(swarm.SwarmID) bool) {
		other := swarm.SwarmID(0)
		for _, id := range swarms {
			other = id + 1<<63 // of nodes that no recorded answer lists
		}
		for i := range max(slices.Max(nodesOf(rows)), slices.Max(slices.Collect(maps.Keys(swarms)))) + 1 {
			id, listed := swarms[i]
			if !listed {
				id = other
			}
			if !yield(id) {
				return
			}
		}
	})
	r := &replay28{known: make(map[string]bool)}
	for _, row := range rows {
		if at := timeOf(row.Response.Body); at != 0 {
			r.clock.Store(at)
			break
		}
	}
	r.testNetwork = startNetwork(t, ids, func(_ int, config *Config) {
		config.Now = func() time.Time { return time.UnixMilli(r.clock.Load()) }
		config.Generation = storage.Generation28
	})
	for i := range r.nodes {
		r.wantSettled(i)
	}
	return r
}

// indexOf returns the index of a recorded member: the one with port 22105 is n05.
func indexOf(t testing.TB, member rpc28.Member) int {
	t.Helper()
	port, err := strconv.Atoi(member.Port)
	if err != nil {
		t.Fatal(err)
	}
	return port % 100
}

func nodesOf(rows []row28) (indexes []int) {
	for _, row := range rows {
		if i, err := strconv.Atoi(strings.TrimPrefix(row.Node, "n")); err == nil {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// call28 is what the replay needs to know of a recorded request.
type call28 struct {
	Method string `json:"method"`
	Params struct {
		Pubkey    string          `json:"pubkey"`
		PubKey    string          `json:"pubKey"`
		Namespace rpc28.Namespace `json:"namespace"`
		Messages  []string        `json:"messages"`
	} `json:"params"`
}

// seed stores, in all members, messages that recorded answers hold but no row has stored.
func (r *replay28) seed(rows []row28) {
	r.t.Helper()
	for _, row := range rows {
		var stored rpc28.ChangeAnswer
		if json.Unmarshal(row.Response.Body, &stored) == nil && stored.Hash != "" {
			r.known[stored.Hash] = true
		}
	}
	for _, row := range rows {
		var call call28
		var page rpc28.PageAnswer
		if json.Unmarshal(row.Request.Body, &call) != nil || json.Unmarshal(row.Response.Body, &page) != nil {
			continue
		}
		for _, m := range page.Messages {
			data, err := base64.StdEncoding.DecodeString(m.Data)
			if err != nil {
				r.t.Fatal(err)
			}
			if r.known[m.Hash] || r.differs(row) {
				continue
			}
			r.known[m.Hash] = true
			for _, node := range r.nodes {
				mustInsert(r.t, node.store, store.NewMessage28(call.Params.Pubkey, call.Params.Namespace, m.Timestamp,
					m.Expiration-m.Timestamp, data))
			}
		}
	}
}

// differs reports rows that are not for comparison.
func (r *replay28) differs(row row28) bool {
	text, err := json.Marshal(row.Request)
	if err != nil {
		r.t.Fatal(err)
	}
	for part := range differences28 {
		if strings.Contains(string(text), part) &&
			(part != `"all","pubkey":"05` || strings.Contains(string(text), `"delete_before"`)) {
			return true
		}
	}
	return false
}
