package rpc28_test

import (
	"bufio"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"testing"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
)

// exchange is a row of node-today.jsonl, as far as it is JSON over HTTPS.
type exchange struct {
	Name     string `json:"name"`
	Request  part   `json:"request"`
	Response part   `json:"response"`
}

type part struct {
	Body   json.RawMessage `json:"body"`
	Status int             `json:"status"`
}

// call is a recorded request: the fields of all methods together.
type call struct {
	Method string `json:"method"`
	Params struct {
		Pubkey       string          `json:"pubkey"`
		Namespace    rpc28.Scope     `json:"namespace"`
		Timestamp    json.Number     `json:"timestamp"`
		SigTimestamp json.Number     `json:"sig_timestamp"`
		Data         string          `json:"data"`
		Messages     json.RawMessage `json:"messages"`
		Before       int64           `json:"before"`
		Expiry       rpc28.Times     `json:"expiry"`
		Shorten      bool            `json:"shorten"`
		Extend       bool            `json:"extend"`
		Subaccount   string          `json:"subaccount"`
		rpc28.Auth
	} `json:"params"`
}

func (c call) hashes(t *testing.T) (hashes []string) {
	t.Helper()
	if err := json.Unmarshal(c.Params.Messages, &hashes); err != nil {
		t.Fatal(err)
	}
	return hashes
}

func milliseconds(t *testing.T, numbers ...json.Number) int64 {
	t.Helper()
	for _, number := range numbers {
		if value, err := number.Int64(); err == nil {
			return value
		}
	}
	t.Fatalf("no time in %v", numbers)
	return 0
}

// signedText returns the text that the recorded client must have signed.
func (c call) signedText(t *testing.T) []byte {
	t.Helper()
	p := c.Params
	switch c.Method {
	case storage.MethodStore:
		return signtext.Store(p.Namespace.Namespace, milliseconds(t, p.SigTimestamp, p.Timestamp))
	case storage.MethodRetrieve:
		return signtext.Retrieve(p.Namespace.Namespace, milliseconds(t, p.Timestamp))
	case rpc28.MethodDelete:
		return signtext.Delete(c.hashes(t))
	case rpc28.MethodDeleteAll:
		return signtext.DeleteAll(p.Namespace, milliseconds(t, p.Timestamp))
	case rpc28.MethodDeleteBefore:
		return signtext.DeleteBefore(p.Namespace, p.Before)
	case rpc28.MethodExpire:
		return signtext.Expire(p.Shorten, p.Extend, p.Expiry, c.hashes(t))
	case rpc28.MethodExpireAll:
		return signtext.ExpireAll(p.Namespace, p.Expiry[0])
	case rpc28.MethodGetExpiries:
		return signtext.GetExpiries(milliseconds(t, p.Timestamp), c.hashes(t))
	}
	return nil
}

// signer returns the key that made the signature.
func (c call) signer(t *testing.T) ed25519.PublicKey {
	t.Helper()
	if c.Params.Subaccount != "" {
		token, err := base64.StdEncoding.DecodeString(c.Params.Subaccount)
		if err != nil {
			t.Fatal(err)
		}
		return token[4:]
	}
	text := c.Params.PubkeyEd25519
	if text == "" {
		text = c.Params.Pubkey[2:]
	}
	key, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// loadExchanges returns the recorded storage requests that were answered with status 200.
func loadExchanges(t *testing.T) (calls []call, answers []exchange) {
	t.Helper()
	file, err := os.Open(vectors.Path(t, "node-today.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var row exchange
		var c call
		if json.Unmarshal(lines.Bytes(), &row) != nil || row.Response.Status != storage.StatusOK ||
			json.Unmarshal(row.Request.Body, &c) != nil || c.Method == "" || c.Params.Pubkey == "" {
			continue
		}
		calls, answers = append(calls, c), append(answers, row)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return calls, answers
}

// Every signature that a recorded server has accepted verifies over the text of package signtext.
func TestRecordedSignatures(t *testing.T) {
	calls, rows := loadExchanges(t)
	checked := make(map[string]int)
	for i, c := range calls {
		if c.Params.Signature == "" || c.Method == storage.MethodStore && c.Params.Namespace.Namespace.StoreIsPublic() {
			continue // not looked at there
		}
		text := c.signedText(t)
		if text == nil {
			continue // of a method that is not here
		}
		signature, err := base64.RawStdEncoding.DecodeString(trimPadding(c.Params.Signature))
		if err != nil {
			t.Fatal(err)
		}
		if !ed25519.Verify(c.signer(t), text, signature) {
			t.Errorf("%s: signature does not cover %q", rows[i].Name, text)
		}
		checked[c.Method]++
	}
	if len(checked) == 0 {
		t.Skip("the recording has no signatures")
	}
	t.Log(checked)
}

func trimPadding(text string) string {
	for len(text) > 0 && text[len(text)-1] == '=' {
		text = text[:len(text)-1]
	}
	return text
}

// Recorded members of a swarm have signed, for every method, the text of package signtext, and name messages by
// MessageHash.
func TestRecordedMemberResults(t *testing.T) {
	calls, rows := loadExchanges(t)
	checked := make(map[string]int)
	for i, c := range calls {
		answer, err := rpc28.ParseChange(string(rows[i].Response.Body))
		if err != nil {
			continue // of another method
		}
		if c.Method == storage.MethodStore {
			if got := messageHash(t, c); got != answer.Hash {
				t.Errorf("%s: hash %s, want %s", rows[i].Name, got, answer.Hash)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(answer.Swarm)) {
			key, err := hex.DecodeString(name)
			if err != nil {
				t.Fatal(err)
			}
			result := answer.Swarm[name]
			signature, err := base64.StdEncoding.DecodeString(result.Signature)
			if err != nil {
				t.Fatal(err)
			}
			text := resultText(t, c, result)
			if text == nil || result.Failed {
				continue
			}
			if !ed25519.Verify(key, text, signature) {
				t.Errorf("%s: signature of %s does not cover %q", rows[i].Name, name, text)
			}
			checked[c.Method]++
		}
	}
	if len(checked) == 0 {
		t.Skip("the recording has no results")
	}
	t.Log(checked)
}

func resultText(t *testing.T, c call, result rpc28.MemberResult) []byte {
	t.Helper()
	switch p := c.Params; c.Method {
	case storage.MethodStore:
		return signtext.Stored(result.Hash)
	case rpc28.MethodDelete:
		return signtext.Deleted(p.Pubkey, c.hashes(t), result.Deleted.List)
	case rpc28.MethodDeleteAll:
		return signtext.ChangedAll(p.Pubkey, milliseconds(t, p.Timestamp), *result.Deleted)
	case rpc28.MethodExpire:
		return signtext.Expired(p.Pubkey, result.Expiry, c.hashes(t), result.Updated.List, result.Unchanged)
	case rpc28.MethodExpireAll:
		return signtext.ChangedAll(p.Pubkey, p.Expiry[0], *result.Updated)
	}
	return nil
}

func messageHash(t *testing.T, c call) string {
	t.Helper()
	owner, err := hex.DecodeString(c.Params.Pubkey)
	if err != nil || len(owner) != 33 {
		t.Fatalf("key %q", c.Params.Pubkey)
	}
	data, err := base64.RawStdEncoding.DecodeString(trimPadding(c.Params.Data))
	if err != nil {
		t.Fatal(err)
	}
	return rpc28.MessageHash([33]byte(owner), c.Params.Namespace.Namespace, data)
}

// The types of this package encode decoded recorded results to the same JSON.
func TestRecordedResultsInJSON(t *testing.T) {
	_, rows := loadExchanges(t)
	for _, row := range rows {
		var answer struct {
			Swarm map[string]json.RawMessage `json:"swarm"`
		}
		if json.Unmarshal(row.Response.Body, &answer) != nil {
			continue
		}
		for _, text := range answer.Swarm {
			var result rpc28.MemberResult
			var want, got map[string]any
			if err := json.Unmarshal(text, &result); err != nil {
				t.Fatalf("%s: %v", row.Name, err)
			}
			if json.Unmarshal(text, &want) != nil || json.Unmarshal([]byte(marshal(t, result)), &got) != nil {
				t.Fatalf("%s: %s", row.Name, text)
			}
			for _, name := range []string{"expiry", "deleted", "updated", "unchanged", "hash", "signature"} {
				if a, b := marshal(t, got[name]), marshal(t, want[name]); a != b {
					t.Errorf("%s: %s is %s, want %s", row.Name, name, a, b)
				}
			}
		}
	}
}

// The classes of the namespaces in use and of some that are not (storage-2.8.md section 3.2).
func TestNamespaceClasses(t *testing.T) {
	for _, test := range []struct {
		namespace           rpc28.Namespace
		store, read, outbox bool
		days                int
		text                string
	}{
		{namespace: 0, store: true, days: 14, text: ""},
		{namespace: 400, store: true, days: 14, text: "400"},
		{namespace: -1230, store: true, days: 14, text: "-1230"},
		{namespace: -10, store: true, read: true, days: 14, text: "-10"},
		{namespace: -1, read: true, outbox: true, days: 30, text: "-1"},
		{namespace: -21, read: true, outbox: true, days: 30, text: "-21"},
		{namespace: 1, days: 30, text: "1"},
		{namespace: 2, days: 30, text: "2"},
		{namespace: -11, days: 30, text: "-11"},
		{namespace: -111, days: 30, text: "-111"},
		{namespace: 11, days: 30, text: "11"},
		{namespace: -32768, days: 30, text: "-32768"},
	} {
		n := test.namespace
		if n.StoreIsPublic() != test.store || n.RetrieveIsPublic() != test.read || n.IsOutbox() != test.outbox ||
			n.MaxTTL().Hours() != float64(24*test.days) || n.SignedText() != test.text {
			t.Errorf("namespace %d is taken for another kind", n)
		}
	}
}

func FuzzParse28(f *testing.F) {
	f.Add(`{"messages":[{"data":"YQ==","expiration":2,"hash":"a","timestamp":1}],"more":true,"t":7,"hf":[19,4]}`)
	f.Add(`{"hash":"a","swarm":{"b":{"hash":"a","signature":"c","expiry":2,"already":1},` +
		`"d":{"failed":true,"timeout":1}}}`)
	f.Add(`{"swarm":{"b":{"expiry":[1,2],"updated":["a"],"unchanged":{}},"c":{"deleted":{"0":["a"],"-1":[]}}}}`)
	f.Add(`{"results":[{"code":200,"body":{}},{"code":400,"body":"no"}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		if page, err := rpc28.ParsePage(body); err == nil {
			again, err := rpc28.ParsePage(marshal(t, page))
			if err != nil || !slices.Equal(again.Messages, page.Messages) || again.More != page.More {
				t.Errorf("read %v, then %v, %v", page, again, err)
			}
		}
		if change, err := rpc28.ParseChange(body); err == nil {
			again, err := rpc28.ParseChange(marshal(t, change))
			if err != nil || marshal(t, again) != marshal(t, change) {
				t.Errorf("read %v, then %v, %v", change, again, err)
			}
		}
		if results, err := rpc28.ParseBatch(body, rpc28.MaxBatch); err == nil && len(results) > rpc28.MaxBatch {
			t.Errorf("read %d results", len(results))
		}
	})
}

// A member's status comes as the text that the real server received from that member. A number is accepted, too.
func TestCodeOfAFailedMember(t *testing.T) {
	change, err := rpc28.ParseChange(`{"swarm":{
		"a":{"failed":true,"code":"406","reason":"check your clock"},"b":{"failed":true,"code":406},
		"c":{"failed":true,"code":"x"},"d":{"failed":true,"code":1e3},"e":{"failed":true,"code":null}}}`)
	want := map[string]rpc28.MemberResult{
		"a": {Failed: true, Code: 406, Reason: "check your clock"}, "b": {Failed: true, Code: 406}, "e": {Failed: true},
	}
	if err != nil || !reflect.DeepEqual(change.Swarm, want) {
		t.Errorf("got %+v, %v, want %+v", change.Swarm, err, want)
	}
	if text, want := marshal(t, want["b"]), `{"failed":true,"code":"406"}`; text != want {
		t.Errorf("written as %s, want %s", text, want)
	}
}
