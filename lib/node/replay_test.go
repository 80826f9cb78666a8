package node

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"sessiontool/lib/node/store"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
)

// fileProxyPath is where the recorded server is a way to a file server.
const fileProxyPath = "/file_proxy"

// exchange replays one HTTP row.
func (r *replay) exchange(i int) {
	r.t.Helper()
	row := r.rows[i]
	body, ok := row.Request.bytes(r.t)
	if !ok {
		r.t.Errorf("row %d, %s: the request was cut off where it cannot be made again", row.N, row.Note)
		return
	}
	r.setDifficulty(row.Response.Text)
	at := row.Port - r.first
	header := make(http.Header)
	for name, value := range row.RequestHeader {
		if strings.HasPrefix(name, "X-") {
			header.Set(name, value)
		}
	}
	got := r.do(at, row.Method, row.Path, header, body)
	if row.Status == nil { // the recorded server fell silent or died
		r.differ(silent)
		if got.status < 400 || got.status > 499 {
			r.t.Errorf("row %d, %s: status %d, want a refusal", row.N, row.Note, got.status)
		}
		return
	}
	if strings.Contains(row.Request.Text, "get_lns_mapping") {
		r.differ(noNames)
		if got.status != 400 || !strings.HasPrefix(got.body, "no method ") {
			r.t.Errorf("row %d, %s: %v", row.N, row.Note, got)
		}
		return
	}
	var contentType []string
	if row.Header.ContentType != nil {
		contentType = []string{*row.Header.ContentType}
	}
	if !slices.Equal(got.contentType, contentType) {
		r.t.Errorf("row %d, %s: content type %q, want %q", row.N, row.Note, got.contentType, contentType)
	}
	r.compare(row, at, true, got.status, *row.Status, got.body, row.Response.Text)
	r.replicated(string(body), got.status)
}

// onion sends payload through the nodes of path, the last of which answers.
func (n *testNetwork) onion(version onion.Version, path []int, payload []byte) onion.Response {
	n.t.Helper()
	wrapped := n.wrap(version, path, payload)
	got := n.do(path[0], http.MethodPost, version.Path(), nil, wrapped.Body)
	if got.status != 200 || got.contentType != nil {
		n.t.Fatalf("onion request along %v: %v", path, got)
	}
	response, err := wrapped.OpenResponse([]byte(got.body))
	if err != nil {
		n.t.Fatal(err)
	}
	return response
}

func (n *testNetwork) wrap(version onion.Version, path []int, payload []byte) *onion.Request {
	n.t.Helper()
	var hops []onion.Hop
	for _, i := range path {
		hops = append(hops, n.hop(i))
	}
	return n.wrapFor(version, hops, payload)
}

func (n *testNetwork) hop(i int) onion.Hop {
	keys := n.nodes[i].Keys()
	return onion.Hop{Ed25519: keys.Ed25519.Public(), X25519: keys.X25519.Public}
}

func (n *testNetwork) wrapFor(version onion.Version, hops []onion.Hop, payload []byte) *onion.Request {
	n.t.Helper()
	request, err := onion.Wrap(rand.Reader, version, hops[:len(hops)-1], hops[len(hops)-1], payload)
	if err != nil {
		n.t.Fatal(err)
	}
	return request
}

// setDifficulty sets the difficulty of the recorded answer.
func (r *replay) setDifficulty(recorded string) {
	var answer struct{ Difficulty uint64 }
	if json.Unmarshal([]byte(recorded), &answer) != nil || answer.Difficulty == 0 {
		return
	}
	for _, node := range r.nodes {
		if node.difficulty.Current() != answer.Difficulty {
			node.SetDifficulty(answer.Difficulty)
		}
	}
}

// replicated waits until all members have what a request stored, as the recorded ones had by the next row.
func (r *replay) replicated(request string, status int) {
	r.t.Helper()
	params, ok := storeParams(request)
	if !ok || status != 200 {
		return
	}
	m := store.NewMessage20(params)
	if canonical := strings.Trim(params.TTL+params.Timestamp, "0123456789") == "" && params.TTL[0] != '0' &&
		params.Timestamp[0] != '0'; !canonical {
		r.foreign[m.HashText()] = true
	}
	for _, node := range r.nodes {
		if !node.members.View().Owns(params.PubKey) {
			continue
		}
		eventually(r.t, "replication", func() bool {
			stored, err := node.Messages(params.PubKey)
			if err != nil {
				r.t.Fatal(err)
			}
			return m.ExpirationMillis() <= r.clock.Load() ||
				slices.ContainsFunc(stored, func(s storage.Stored) bool { return s.Hash == m.HashText() })
		})
	}
}

// compare compares answers of node i: texts exactly, swarms by their members, messages one by one. Where the
// request came in, entry, their order counts too.
func (r *replay) compare(row row, i int, entry bool, status, wantStatus int, body, wantBody string) {
	r.t.Helper()
	if status != wantStatus {
		r.t.Errorf("row %d, %s: status %d, want %d; body %q", row.N, row.Note, status, wantStatus, body)
		return
	}
	switch {
	case strings.HasPrefix(wantBody, onion.TextOuter):
		r.differ(parserText)
		if !strings.HasPrefix(body, onion.TextOuter) {
			r.t.Errorf("row %d, %s: %q", row.N, row.Note, body)
		}
	case strings.HasPrefix(wantBody, `{"snodes":`):
		r.compareSwarm(row, body, wantBody)
	case strings.HasPrefix(wantBody, `{"messages":`):
		r.compareMessages(row, entry, body, wantBody)
	case body != wantBody:
		r.t.Errorf("row %d, %s: %q, want %q", row.N, row.Note, body, wantBody)
	}
}

func (r *replay) compareSwarm(row row, body, wantBody string) {
	r.t.Helper()
	var want []storage.Snode
	for _, port := range recordedPorts(r.t, wantBody) {
		i := port - r.first
		want = append(want, storage.Snode{
			Address:       r.nodes[i].Keys().Address(),
			IP:            r.states[i].PublicIP,
			Port:          strconv.Itoa(int(r.states[i].StoragePort)),
			PubkeyEd25519: r.states[i].PubkeyEd25519,
			PubkeyX25519:  r.states[i].PubkeyX25519,
		})
	}
	text, err := json.Marshal(rpc20.SwarmAnswer{Snodes: want})
	if err != nil {
		r.t.Fatal(err)
	}
	if body != string(text) {
		r.t.Errorf("row %d, %s: %s, want %s", row.N, row.Note, body, text)
	}
}

func (r *replay) compareMessages(row row, entry bool, body, wantBody string) {
	r.t.Helper()
	var got, want rpc20.RetrieveAnswer
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		r.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(wantBody), &want); err != nil {
		r.t.Fatal(err)
	}
	if owner, known := r.owners[askedAfter(row.Request.Text)]; known && !strings.Contains(row.Request.Text, owner) {
		r.differ(foreignHash) // all of ours, of which theirs are the last
		if len(got.Messages) == 0 {
			r.t.Errorf("row %d, %s: no messages", row.N, row.Note)
		}
		return
	}
	if now := r.clock.Load(); slices.ContainsFunc(want.Messages,
		func(s storage.Stored) bool { return s.Expiration <= now }) {
		r.differ(expiredServed)
		want.Messages = slices.DeleteFunc(want.Messages, func(s storage.Stored) bool { return s.Expiration <= now })
	}
	if !entry {
		if kept := slices.DeleteFunc(slices.Clone(got.Messages),
			func(s storage.Stored) bool { return r.foreign[s.Hash] }); len(kept) < len(got.Messages) {
			r.differ(oddNumbers)
			got.Messages = kept
		}
		if !slices.Equal(got.Messages, want.Messages) {
			r.differ(order)
		}
		for _, messages := range [][]storage.Stored{got.Messages, want.Messages} {
			slices.SortFunc(messages, func(a, b storage.Stored) int { return strings.Compare(a.Hash, b.Hash) })
		}
	}
	if !slices.Equal(got.Messages, want.Messages) {
		r.t.Errorf("row %d, %s:\ngot  %v\nwant %v", row.N, row.Note, got.Messages, want.Messages)
	}
}
