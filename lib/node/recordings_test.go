package node

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/onion"
)

// row is a line of node-2020.jsonl: an HTTP exchange with one of the recorded nodes; with Hops, what was inside the
// onion request of the line before; with Key, where that server puts a key; or something that the recorder did or
// found.
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
	RequestHeader map[string]string `json:"request_headers"`

	Hops   []int  `json:"hops"`
	Inner  string `json:"inner_request"`
	Opened *struct {
		Body   string `json:"body"`
		Status int    `json:"status"`
	} `json:"opened_response"`
	OuterStatus int    `json:"outer_status"`
	OuterText   string `json:"outer_body_if_not_sealed"`

	Key    string   `json:"key_u64"` // these in hex
	Swarms []string `json:"swarms"`
	Server string   `json:"server"`

	Info        *string  `json:"info"`
	Raw         string   `json:"raw"`
	Certificate string   `json:"cert_der_b64"`
	Frames      []string `json:"frames"`
	FramesSent  []string `json:"frames_sent"`
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
	end := `"}}`
	if strings.HasSuffix(b.Text, " ") {
		end = ""
	}
	missing := b.TruncatedFrom - len(b.Text) - len(end)
	for unit := 1; unit <= len(`\u0000`) && missing >= 0; unit++ { // characters may be written as escapes
		last := b.Text[len(b.Text)-unit:]
		if strings.HasSuffix(b.Text, strings.Repeat(last, 100)) {
			return []byte(b.Text + strings.Repeat(last, missing/unit+1)[:missing] + end), true
		}
	}
	return nil, false
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
	rows    []row
	first   int // the recorded port of node 0
	clock   atomic.Int64
	foreign map[string]bool   // hashes of messages that recorded peers do not accept, and ours do
	owners  map[string]string // by hash
	absent  []bool            // nodes that the list lacks
	keys    map[string]int    // recorded nodes by Ed25519 key and by address without ".snode"

	padded bool // requests inside onions are padded, as our clients pad them

	replayed    map[string]int // rows by kind
	left        map[string]int // rows that cannot be replayed, by why
	differences map[string]int // rows by what is different
}

// kind is a kind of row and how it is replayed.
type kind struct {
	name   string
	is     func(r *replay, i int) bool
	replay func(r *replay, i int)
}

// kinds are tried in this order.
var kinds = []kind{
	{"key to swarm", func(r *replay, i int) bool { return r.rows[i].Key != "" }, (*replay).place},
	{"node list", func(r *replay, i int) bool { return strings.HasPrefix(r.rows[i].Note, listNote) }, (*replay).change},
	{"TLS version", func(r *replay, i int) bool { return tlsNote.MatchString(r.rows[i].Note) }, (*replay).handshake},
	{"proxy request", func(r *replay, i int) bool { return r.rows[i].Path == onion.ProxyPath }, (*replay).proxy},
	{"push of another node", func(r *replay, i int) bool { return r.rows[i].Path == batchPath }, (*replay).push},
	{"onion layer, made again", (*replay).craftable, (*replay).craft},
	{"onion request, with the next row", func(r *replay, i int) bool { return r.sealed(i) && r.opened(i+1) },
		func(*replay, int) {}},
	{"onion request, answered", func(r *replay, i int) bool { return r.opened(i) && r.rows[i].Opened != nil },
		(*replay).throughOnion},
	{"onion request, lost on the way", func(r *replay, i int) bool { return r.opened(i) }, (*replay).lostOnTheWay},
	{"request", func(r *replay, i int) bool {
		return r.rows[i].Method != "" && !r.sealed(i) && !strings.HasPrefix(r.rows[i].Path, "/swarms/") &&
			r.rows[i].Path != fileProxyPath
	}, (*replay).exchange},
}

// TestRecordedExchanges puts what the real server was asked to our node, byte for byte and at the same time of its
// clock, and compares the answers. Whatever is not replayed or differs is in one of the tables unplayed and reasons.
func TestRecordedExchanges(t *testing.T) { testRecordedExchanges(t, false) }

// TestRecordedExchangesPadded is TestRecordedExchanges with the requests inside onions padded: the answers are the
// same.
func TestRecordedExchangesPadded(t *testing.T) { testRecordedExchanges(t, true) }

func testRecordedExchanges(t *testing.T, padded bool) {
	t.Helper()
	r := newReplay(t, loadRows(t))
	r.padded = padded
	r.seed()
	for i, row := range r.rows {
		r.clock.Store(int64(row.T*1000 - row.MS))
		if k := slices.IndexFunc(kinds, func(k kind) bool { return k.is(r, i) }); k >= 0 {
			r.replayed[kinds[k].name]++
			kinds[k].replay(r, i)
			continue
		}
		k := slices.IndexFunc(unplayed, func(u leftOut) bool { return u.is(r, i) })
		if k < 0 {
			t.Errorf("row %d, %q: neither replayed nor among those that cannot be", row.N, row.Note)
			continue
		}
		r.left[unplayed[k].name]++
	}
	if len(r.replayed) == 0 {
		vectors.Missing(t, "nothing was replayed")
	}
	r.report()
}
