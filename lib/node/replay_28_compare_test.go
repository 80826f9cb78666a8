package node

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

func (r *replay28) exchange(row row28) {
	r.t.Helper()
	i, err := strconv.Atoi(strings.TrimPrefix(row.Node, "n"))
	if err != nil {
		r.t.Fatalf("%s: node %q", row.Name, row.Node)
	}
	body, header := []byte(row.Request.Body), make(http.Header)
	var plain string
	if json.Unmarshal(body, &plain) == nil {
		body = []byte(plain)
	}
	if r.pad && json.Valid(body) {
		body = onion.Pad(withParameter(r.t, body))
	}
	for name, value := range row.Request.Headers {
		header.Set(name, value)
	}
	got := r.do(i, row.Request.Method, row.Request.Path, header, body)
	if got.status != row.Response.Status {
		r.t.Errorf("%s: %d %.200q, want %d %.200s", row.Name, got.status, got.body, row.Response.Status,
			row.Response.Body)
		return
	}
	if want := row.Response.Headers["Content-Type"]; !slices.Equal(got.contentType, []string{want}) {
		r.t.Errorf("%s: content type %q, want %q", row.Name, got.contentType, want)
	}
	var text string
	if json.Unmarshal(row.Response.Body, &text) == nil {
		if !sameText(got.body, text) {
			r.t.Errorf("%s: %q, want %q", row.Name, got.body, text)
		}
		return
	}
	var call call28
	if json.Unmarshal(row.Request.Body, &call) != nil {
		call = call28{} // parameters of another shape; the method is read
	}
	r.compare(row, call, got.body)
}

// withParameter adds an unknown parameter to a request whose parameters are an object.
func withParameter(t testing.TB, body []byte) []byte {
	t.Helper()
	var request map[string]json.RawMessage
	var params map[string]json.RawMessage
	if json.Unmarshal(body, &request) != nil || json.Unmarshal(request["params"], &params) != nil || params == nil {
		return body
	}
	params["padding"] = json.RawMessage(`"` + strings.Repeat("x", 300) + `"`)
	var err error
	if request["params"], err = json.Marshal(params); err == nil {
		body, err = json.Marshal(request)
	}
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// sameText compares refusals. Of a key that is none the real server has two ways to speak.
func sameText(got, want string) bool {
	return got == want || strings.Contains(got, "Pubkey must be 66") && strings.Contains(want, "Pubkey must be 66")
}

// compare compares JSON answers.
func (r *replay28) compare(row row28, call call28, got string) {
	r.t.Helper()
	var page, wantPage rpc28.PageAnswer
	var change, wantChange rpc28.ChangeAnswer
	var expiries, wantExpiries rpc28.ExpiriesAnswer
	var swarm, wantSwarm rpc28.GetSwarmAnswer
	switch {
	case bytes.Contains(row.Response.Body, []byte(`"snodes"`)):
		r.read(row, got, &swarm, &wantSwarm)
		r.compareSwarm(row, swarm, wantSwarm)
	case call.Method == storage.MethodRetrieve && bytes.Contains(row.Response.Body, []byte(`"messages"`)) &&
		!bytes.Contains(row.Response.Body, []byte(`"bytes":`)):
		r.read(row, got, &page, &wantPage)
		if !slices.Equal(page.Messages, wantPage.Messages) || page.More != wantPage.More {
			r.t.Errorf("%s:\ngot  %+v\nwant %+v", row.Name, page, wantPage)
		}
	case readChange(call.Method, &parameters{}) != nil:
		r.read(row, got, &change, &wantChange)
		if change.Hash != wantChange.Hash || len(change.Swarm) != len(wantChange.Swarm) {
			r.t.Errorf("%s: %s, want %s", row.Name, got, row.Response.Body)
		}
		for _, want := range wantChange.Swarm { // they are all the same
			for name, result := range change.Swarm {
				r.compareResult(row, call, name, result, want)
			}
		}
	case call.Method == rpc28.MethodGetExpiries:
		r.read(row, got, &expiries, &wantExpiries)
		for hash, want := range wantExpiries.Expiries {
			if r.known[hash] && expiries.Expiries[hash] != want {
				r.t.Errorf("%s: %s expires at %d, want %d", row.Name, hash, expiries.Expiries[hash], want)
			}
		}
	}
}

func (r *replay28) read(row row28, got string, into, want any) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(got), into); err != nil {
		r.t.Fatalf("%s: %s: %v", row.Name, got, err)
	}
	if err := json.Unmarshal(row.Response.Body, want); err != nil {
		r.t.Fatalf("%s: %v", row.Name, err)
	}
}

// compareResult compares what two members say. The recording lacks some rows, so that messages which it has never seen
// stored are left out, and others may have been deleted or have got more time without its telling.
func (r *replay28) compareResult(row row28, call call28, name string, got, want rpc28.MemberResult) {
	r.t.Helper()
	whole := !slices.ContainsFunc(call.Params.Messages, func(hash string) bool { return !r.known[hash] })
	same := got.Hash == want.Hash && got.Already == want.Already &&
		(bool(want.Already) || !whole ||
			slices.Equal(got.Expiry, want.Expiry) && maps.Equal(got.Unchanged, want.Unchanged))
	for _, pair := range [][2]*rpc28.Hashes{{got.Deleted, want.Deleted}, {got.Updated, want.Updated}} {
		for namespace, hashes := range byNamespace(pair[1]) {
			for _, hash := range hashes {
				same = same && (!r.known[hash] || slices.Contains(byNamespace(pair[0])[namespace], hash))
			}
		}
		same = same && (pair[0] == nil) == (pair[1] == nil)
	}
	if !same {
		r.t.Errorf("%s: result of %s is %+v, want %+v", row.Name, name, got, want)
	}
}

// byNamespace returns hashes of a list as if they were of one namespace.
func byNamespace(h *rpc28.Hashes) map[rpc28.Namespace][]string {
	switch {
	case h == nil:
		return nil
	case h.ByNamespace != nil:
		return h.ByNamespace
	}
	return map[rpc28.Namespace][]string{0: h.List}
}

func (r *replay28) compareSwarm(row row28, got, want rpc28.GetSwarmAnswer) {
	r.t.Helper()
	var names, wantNames []string
	for _, member := range got.Snodes {
		names = append(names, member.PubkeyEd25519)
	}
	for _, member := range want.Snodes {
		wantNames = append(wantNames, r.states[indexOf(r.t, member)].PubkeyEd25519)
	}
	slices.Sort(names)
	slices.Sort(wantNames)
	if !slices.Equal(names, wantNames) || got.Swarm != want.Swarm {
		r.t.Errorf("%s: swarm %s of %q, want %s of %q", row.Name, got.Swarm, names, want.Swarm, wantNames)
	}
}
