package node

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"sessiontool/lib/storage"
	"sessiontool/lib/storage/syncroute"
)

// What is not as it should be is refused with the reason.
func TestListenParams(t *testing.T) {
	network := sameSwarm(t, 1)
	alice := newUser(t, 5)
	good := map[string]any{}
	text, err := json.Marshal(alice.listen(network.nodes[0].Keys().Name(), laterTime(), 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &good); err != nil {
		t.Fatal(err)
	}
	deliver := map[string]any{"pubKey": alice.pubKey(), "data": "eA==", "wait_ms": 0}
	many := make([]syncroute.Ack, syncroute.MaxAcks+1)
	for i := range many {
		many[i] = syncroute.Ack{ID: listenerID, Ack: anAck}
	}
	const badWait = "`wait_ms` is not a number from 0 to 8000\n"
	const badAck = "an acknowledgement is not base64 of 32 bytes\n"
	for _, test := range []struct {
		method, name string
		value        any // nil: not there at all
		status       int
		body         string
	}{
		{syncroute.MethodListen, "pubKey", nil, 400, "invalid json: no `pubKey` field\n"},
		{syncroute.MethodListen, "pubKey", "05", 400, "Pubkey must be 66 characters long\n"},
		{syncroute.MethodListen, "pubKey", 5, 400, "invalid json: `pubKey` is not a string\n"},
		{syncroute.MethodListen, "listener", nil, 400, "invalid json: no `listener` field\n"},
		{syncroute.MethodListen, "listener", listenerID[1:], 400, "`listener` is not 32 hex digits\n"},
		{syncroute.MethodListen, "listener", listenerID + "00", 400, "`listener` is not 32 hex digits\n"},
		{syncroute.MethodListen, "wait_ms", 8001, 400, badWait},
		{syncroute.MethodListen, "wait_ms", -1, 400, badWait},
		{syncroute.MethodListen, "wait_ms", 0.5, 400, badWait},
		{syncroute.MethodListen, "wait_ms", "0", 400, badWait},
		{syncroute.MethodListen, "stop", "yes", 400, "invalid json: `stop` is not true or false\n"},
		{syncroute.MethodListen, "acks", "none", 400, "invalid json: `acks` is not a list\n"},
		{syncroute.MethodListen, "acks", []any{7}, 400, "invalid json: an acknowledgement is not an object\n"},
		{syncroute.MethodListen, "acks", []any{syncroute.Ack{ID: "x", Ack: anAck}}, 400, "`id` is not 32 hex digits\n"},
		{syncroute.MethodListen, "acks", []any{syncroute.Ack{ID: listenerID, Ack: "AA=="}}, 400, badAck},
		{syncroute.MethodListen, "acks", many, 400, "more than 64 acknowledgements\n"},
		{syncroute.MethodListen, "acks", many[1:], 200, `{"messages":[]}`},
		{syncroute.MethodListen, "acks", nil, 200, `{"messages":[]}`},
		{syncroute.MethodListen, "extra", strings.Repeat("x", maxWaitingBody), 413, "Request body too large"},
		{syncroute.MethodListen, "stop", true, 200, `{"messages":[]}`},
		{syncroute.MethodDeliver, "data", nil, 400, "invalid json: no `data` field\n"},
		{syncroute.MethodDeliver, "data", "hello!", 400, "data is not base64\n"},
		{syncroute.MethodDeliver, "data", strings.Repeat("x", storage.MaxDataBytes+1), 400,
			"Message body exceeds maximum allowed length of 102400\n"},
		{syncroute.MethodDeliver, "data", strings.Repeat("x", storage.MaxDataBytes), 404, "nobody listens\n"},
		{syncroute.MethodDeliver, "wait_ms", 8001, 400, badWait},
		{syncroute.MethodDeliver, "wait_ms", nil, 404, "nobody listens\n"},
		{syncroute.MethodDeliver, "pubKey", "05", 400, "Pubkey must be 66 characters long\n"},
		{syncroute.MethodDeliver, "pubKey", strings.Repeat("x", storage.PubkeyTextLength), 404, "nobody listens\n"},
	} {
		params := map[string]any{}
		for name, value := range map[string]map[string]any{syncroute.MethodListen: good,
			syncroute.MethodDeliver: deliver}[test.method] {
			params[name] = value
		}
		delete(params, test.name)
		if test.value != nil {
			params[test.name] = test.value
		}
		if got := network.call(0, test.method, params); got.status != test.status || got.body != test.body {
			t.Errorf("%s with %s %.100v: %d %q, want %d %q", test.method, test.name, test.value, got.status, got.body,
				test.status, test.body)
		}
	}
	renamed := map[string]any{"pubkey": strings.ToUpper(alice.pubKey()), "data": "eA==", "wait_ms": 0}
	if got := network.call(0, syncroute.MethodListen, good); got.status != 200 {
		t.Error(got)
	}
	if got := network.call(0, syncroute.MethodDeliver, renamed); got.status != 504 || got.body != refusalNotAcked.text {
		t.Errorf("under its other name, in upper case: %v", got)
	}
}

// FuzzListenParams: whatever the parameters are, what is read of them keeps the limits and comes back the same.
func FuzzListenParams(f *testing.F) {
	f.Add(`{"pubKey":"05` + strings.Repeat("ab", 32) + `","listener":"` + listenerID + `","wait_ms":8000,` +
		`"acks":[{"id":"` + listenerID + `","ack":"` + anAck + `"}],"stop":true}`)
	f.Add(`{"pubkey":"05` + strings.Repeat("AB", 32) + `","listener":"` + listenerID + `","acks":[]}`)
	f.Add(`{"acks":{"id":1}}`)
	f.Fuzz(func(t *testing.T, text string) {
		params, ok := parseFields(gjson.Parse(text))
		if !ok || !validJSON([]byte(text)) {
			return
		}
		r, err := parseListen(params)
		if err != nil {
			return
		}
		if len(r.Owner) != storage.PubkeyTextLength || r.Wait < 0 || r.Wait > syncroute.MaxWait ||
			len(r.Acks) > syncroute.MaxAcks {
			t.Fatalf("read %+v", r)
		}
		again := syncroute.ListenParams{PubKey: r.Owner, Listener: hex.EncodeToString(r.Listener[:]),
			WaitMillis: r.Wait.Milliseconds(), Stop: r.Stop}
		for _, one := range r.Acks {
			again.Acks = append(again.Acks, syncroute.Ack{ID: hex.EncodeToString(one.Delivery[:]), Ack: one.Text})
		}
		body, err := json.Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		params, _ = parseFields(gjson.ParseBytes(body))
		if got, err := parseListen(params); err != nil || fmt.Sprint(got) != fmt.Sprint(r) {
			t.Errorf("read %v, then %v, %v", r, got, err)
		}
	})
}
