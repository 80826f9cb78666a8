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

// todayRow is a line of node-today.jsonl, as far as it is an exchange over HTTPS.
type todayRow struct {
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

// todayDifferences are rows, by what their requests contain, that our nodes answer in another way on purpose.
var todayDifferences = map[string]string{
	`"subaccount`:        "is refused",
	`revoke_subaccount"`: "is refused",
	`"all","pubkey":"05`: "delete_before of everything works here", // of all methods, see differs
}

// todayReplay is our nodes in the place of the recorded ones.
type todayReplay struct {
	*testNetwork
	clock atomic.Int64
	known map[string]bool // hashes of messages that are there, or were
}

// TestTodayRecordings puts what the real server of today was asked to our nodes, at the same time of its clock, and
// compares the answers: texts and statuses exactly, results of members but for their signatures, and messages.
func TestTodayRecordings(t *testing.T) {
	rows := loadTodayRows(t)
	r := newTodayReplay(t, rows)
	r.seed(rows)
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

// loadTodayRows returns what was recorded over HTTPS with whole requests, up to where members are stopped.
func loadTodayRows(t *testing.T) (rows []todayRow) {
	t.Helper()
	data, err := os.ReadFile(vectors.Path(t, "node-today.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	for lines.Scan() {
		var row todayRow
		if json.Unmarshal(lines.Bytes(), &row) != nil || row.Request.Path == "" || row.Node == "" || row.Response.Status == 0 {
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

// timeOf is the clock that an answer tells, 0 if it tells none.
func timeOf(body json.RawMessage) int64 {
	var clock rpc28.Clock
	if json.Unmarshal(body, &clock) != nil {
		return 0
	}
	return clock.T
}

// newTodayReplay learns from the recorded swarms which node was in which.
func newTodayReplay(t *testing.T, rows []todayRow) *todayReplay {
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
	r := &todayReplay{known: make(map[string]bool)}
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

// indexOf tells which node a recorded member is: that of port 22105 is n05.
func indexOf(t testing.TB, member rpc28.Member) int {
	t.Helper()
	port, err := strconv.Atoi(member.Port)
	if err != nil {
		t.Fatal(err)
	}
	return port % 100
}

func nodesOf(rows []todayRow) (indexes []int) {
	for _, row := range rows {
		if i, err := strconv.Atoi(strings.TrimPrefix(row.Node, "n")); err == nil {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// todayCall is what the replay needs to know of a recorded request.
type todayCall struct {
	Method string `json:"method"`
	Params struct {
		Pubkey    string          `json:"pubkey"`
		PubKey    string          `json:"pubKey"`
		Namespace rpc28.Namespace `json:"namespace"`
		Messages  []string        `json:"messages"`
	} `json:"params"`
}

// seed stores, in all members, messages that recorded answers hold but no row has stored.
func (r *todayReplay) seed(rows []todayRow) {
	r.t.Helper()
	for _, row := range rows {
		var stored rpc28.ChangeAnswer
		if json.Unmarshal(row.Response.Body, &stored) == nil && stored.Hash != "" {
			r.known[stored.Hash] = true
		}
	}
	for _, row := range rows {
		var call todayCall
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
				mustInsert(r.t, node.store, store.NewMessage28(call.Params.Pubkey, call.Params.Namespace, m.Timestamp, m.Expiration-m.Timestamp, data))
			}
		}
	}
}

// differs reports rows that are not for comparison.
func (r *todayReplay) differs(row todayRow) bool {
	text, err := json.Marshal(row.Request)
	if err != nil {
		r.t.Fatal(err)
	}
	for part := range todayDifferences {
		if strings.Contains(string(text), part) && (part != `"all","pubkey":"05` || strings.Contains(string(text), `"delete_before"`)) {
			return true
		}
	}
	return false
}
