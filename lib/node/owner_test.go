package node

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/swarm"
)

// Who may read what: only the owner, by a signature that is fresh and covers the timestamp.
func TestRetrieveSignature(t *testing.T) {
	now := time.UnixMilli(1795391232497)
	const strict, lenient = 0, 1
	network := startNetwork(t, []swarm.SwarmID{5, 5}, func(i int, config *Config) {
		frozen(now)(i, config)
		config.AllowUnsigned = i == lenient
	})
	alice, bob := newUser(t, 5), newUser(t, 5)
	signed := func(change func(p *rpc20.RetrieveParams)) rpc20.RetrieveParams {
		p := alice.retrieve("", now)
		change(&p)
		return p
	}
	const wrong, late = "retrieve signature verification failed", "retrieve timestamp too far from current time"
	for _, test := range []struct {
		name   string
		params any
		status int
		body   string
	}{
		{"owner", alice.retrieve("", now), 200, `{"messages":[]}`},
		{"a minute early", alice.retrieve("", now.Add(-time.Minute)), 200, `{"messages":[]}`},
		{"a minute late", alice.retrieve("", now.Add(time.Minute)), 200, `{"messages":[]}`},
		{"over a minute early", alice.retrieve("", now.Add(-time.Minute-time.Millisecond)), 406, late},
		{"over a minute late", alice.retrieve("", now.Add(time.Minute+time.Millisecond)), 406, late},
		{"in seconds", signed(func(p *rpc20.RetrieveParams) { p.Timestamp = p.Timestamp[:10] }), 406, late},
		{"no timestamp", signed(func(p *rpc20.RetrieveParams) { p.Timestamp = "" }), 406, late},
		{"unpadded base64", signed(func(p *rpc20.RetrieveParams) { p.Signature = strings.TrimRight(p.Signature, "=") }),
			200, `{"messages":[]}`},
		{"other timestamp", signed(func(p *rpc20.RetrieveParams) {
			p.Timestamp = strconv.FormatInt(now.UnixMilli()+1,
				10)
		}), 401, wrong},
		{"somebody else", signed(func(p *rpc20.RetrieveParams) { p.PubKey = bob.pubKey() }), 401, wrong},
		{"somebody else's signature",
			signed(func(p *rpc20.RetrieveParams) { p.Signature = bob.retrieve("", now).Signature }), 401, wrong},
		{"no ed25519 key", signed(func(p *rpc20.RetrieveParams) { p.PubkeyEd25519 = "" }), 401, wrong},
		{"no key of the curve",
			signed(func(p *rpc20.RetrieveParams) { p.PubkeyEd25519 = "02" + strings.Repeat("00", 31) }), 401, wrong},
		{"low order key", signed(func(p *rpc20.RetrieveParams) { p.PubkeyEd25519 = "01" + strings.Repeat("00", 31) }),
			401, wrong},
		{"cut signature", signed(func(p *rpc20.RetrieveParams) { p.Signature = p.Signature[:40] }), 401, wrong},
		{"signature no base64", signed(func(p *rpc20.RetrieveParams) { p.Signature = "%" + p.Signature[1:] }), 401,
			wrong},
	} {
		for i := range network.nodes {
			if got := network.call(i, storage.MethodRetrieve, test.params); got.status != test.status ||
				got.body != test.body {
				t.Errorf("%s, node %d: %d %q, want %d %q", test.name, i, got.status, got.body, test.status, test.body)
			}
		}
	}
	unsigned := rpc20.RetrieveParams{PubKey: alice.pubKey()}
	if got := network.call(strict, storage.MethodRetrieve, unsigned); got.status != 401 ||
		got.body != "retrieve: request signature required" {
		t.Errorf("unsigned: %v", got)
	}
	if got := network.call(lenient, storage.MethodRetrieve, unsigned); got.status != 200 {
		t.Errorf("unsigned, lenient: %v", got)
	}
}

// Real 2.8 servers were asked the same; they write the timestamp as a number.
func TestRecordedSignatures(t *testing.T) {
	file, err := os.Open(vectors.Path(t, "node-today.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	compared := 0
	for lines.Scan() {
		var row struct {
			Name    string
			Request struct {
				Body json.RawMessage
			}
			Response struct {
				Status  int
				Body    json.RawMessage
				Headers map[string]string
			}
		}
		if json.Unmarshal(lines.Bytes(), &row) != nil {
			continue
		}
		request, _ := parseFields(gjson.ParseBytes(row.Request.Body))
		params, _ := parseFields(request["params"])
		method, _ := request.text("method")
		_, namespaced := params["namespace"]
		_, signed := params["signature"]
		pubKey, err := params.text("pubkey")
		if method != storage.MethodRetrieve || namespaced || !signed || err != nil || !strings.HasPrefix(pubKey, "05") {
			continue
		}
		if row.Response.Status != 200 && row.Response.Status != 401 {
			continue // refused for another reason than the signature
		}
		ms, err := strconv.ParseInt(numberText(params["timestamp"]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		compared++
		if err := checkReader(pubKey, params, time.UnixMilli(ms), false); (err == nil) != (row.Response.Status == 200) {
			t.Errorf("%s: %v, recorded status %d", row.Name, err, row.Response.Status)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if compared == 0 {
		t.Skip("the recording has no signed requests")
	}
}

// A signature made over the text by hand is what the rule says.
func TestRetrieveSignatureText(t *testing.T) {
	alice, now := newUser(t, 5), time.UnixMilli(1795391232497)
	signature := alice.Sign([]byte("retrieve1795391232497"))
	if got := alice.retrieve("", now).Signature; got != base64.StdEncoding.EncodeToString(signature[:]) {
		t.Error("the signed text is not the method's name and the timestamp")
	}
}
