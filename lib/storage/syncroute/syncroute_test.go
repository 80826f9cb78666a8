package syncroute_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sessiontool/lib/storage"
	"sessiontool/lib/storage/syncroute"
)

var deliveryID = strings.Repeat("0f", syncroute.DeliveryIDSize)

// The two methods as they stand on the wire.
func TestListenRequests(t *testing.T) {
	for _, test := range []struct {
		method string
		params any
		want   string
	}{
		{
			syncroute.MethodListen,
			syncroute.ListenParams{
				PubKey: "05", PubkeyEd25519: "cd", Timestamp: "17", Signature: "ef", Listener: "ab", WaitMillis: 8000,
				Acks: []syncroute.Ack{{ID: "01", Ack: "AA=="}},
			},
			`{"jsonrpc":"2.0","id":"0","method":"listen","params":{"pubKey":"05","pubkey_ed25519":"cd",` +
				`"timestamp":"17",` +
				`"signature":"ef","listener":"ab","wait_ms":8000,"acks":[{"id":"01","ack":"AA=="}]}}`,
		},
		{
			syncroute.MethodListen, syncroute.ListenParams{Stop: true},
			`{"jsonrpc":"2.0","id":"0","method":"listen","params":{"pubKey":"","pubkey_ed25519":"","timestamp":"",` +
				`"signature":"","listener":"","wait_ms":0,"stop":true}}`,
		},
		{
			syncroute.MethodDeliver, syncroute.DeliverParams{PubKey: "05", Data: "CAES", WaitMillis: 5000},
			`{"jsonrpc":"2.0","id":"0","method":"deliver","params":{"pubKey":"05","data":"CAES","wait_ms":5000}}`,
		},
	} {
		body, err := storage.NewRequest(test.method, test.params)
		if err != nil || string(body) != test.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", test.method, body, err, test.want)
		}
	}
	if got := string(syncroute.ListenSignatureText("17", "ab", "cd")); got != "listen17abcd" {
		t.Errorf("signed is %q", got)
	}
}

func TestParseDeliveries(t *testing.T) {
	good := `{"id":"` + deliveryID + `","data":"YQ=="}`
	for _, test := range []struct {
		name, body string
		want       int
		fails      bool
	}{
		{name: "usual", body: `{"messages":[` + good + `,` + good + `]}`, want: 2},
		{name: "empty", body: `{"messages":[]}`},
		{name: "null", body: `{"messages":null}`},
		{name: "some are malformed", want: 1,
			body: `{"messages":[7,{},{"id":"zz","data":""},{"id":"` + deliveryID[1:] + `"},` + good + `]}`},
		{name: "id no hex", body: `{"messages":[{"id":"` + strings.Repeat("x", len(deliveryID)) + `","data":"YQ=="}]}`},
		{name: "too large", body: `{"messages":[{"id":"` + deliveryID + `","data":"` +
			strings.Repeat("a", storage.MaxDataBytes+1) + `"}]}`},
		{name: "too many", want: syncroute.MaxDeliveries,
			body: `{"messages":[` + strings.Repeat(good+",", 10*syncroute.MaxDeliveries) + good + `]}`},
		{name: "no list", body: `{"ack":""}`, fails: true},
		{name: "no JSON", body: `listening is busy`, fails: true},
	} {
		got, err := syncroute.ParseDeliveries(test.body)
		if (err != nil) != test.fails || len(got) != test.want {
			t.Errorf("%s: %d deliveries, %v; want %d", test.name, len(got), err, test.want)
		}
		for _, delivery := range got {
			if delivery.ID != deliveryID || delivery.Data != "YQ==" {
				t.Errorf("%s: got %v", test.name, delivery)
			}
		}
	}
}

// A delivery may have as much data as a stored message.
func TestLargestDelivery(t *testing.T) {
	data := strings.Repeat("a", storage.MaxDataBytes)
	got, err := syncroute.ParseDeliveries(`{"messages":[{"id":"` + deliveryID + `","data":"` + data + `"}]}`)
	if err != nil || len(got) != 1 || got[0].Data != data {
		t.Errorf("%d deliveries, %v", len(got), err)
	}
}

func TestParseAck(t *testing.T) {
	want := [syncroute.AckSize]byte{1, 2, 3}
	text := base64.StdEncoding.EncodeToString(want[:])
	if got, err := syncroute.ParseAck(marshal(t, syncroute.DeliverAnswer{Ack: text})); err != nil || got != want {
		t.Errorf("got %x, %v", got, err)
	}
	for _, body := range []string{
		``, `{}`, `{"ack":7}`, `{"ack":"AA=="}`, `{"ack":"%"}`, `{"ack":"` + text + text + `"}`,
	} {
		if got, err := syncroute.ParseAck(body); err == nil {
			t.Errorf("%q is the acknowledgement %x", body, got)
		}
	}
}

func FuzzParseListenAnswers(f *testing.F) {
	f.Add(`{"messages":[{"id":"` + deliveryID + `","data":"YQ=="}]}`)
	f.Add(`{"ack":"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="}`)
	f.Fuzz(func(t *testing.T, body string) {
		if deliveries, err := syncroute.ParseDeliveries(body); err == nil {
			again, err := syncroute.ParseDeliveries(marshal(t, syncroute.ListenAnswer{Messages: deliveries}))
			if err != nil || !slices.Equal(again, deliveries) {
				t.Errorf("read %v, then %v, %v", deliveries, again, err)
			}
		}
		if ack, err := syncroute.ParseAck(body); err == nil {
			answer := syncroute.DeliverAnswer{Ack: base64.StdEncoding.EncodeToString(ack[:])}
			again, err := syncroute.ParseAck(marshal(t, answer))
			if err != nil || again != ack {
				t.Errorf("read %x, then %x, %v", ack, again, err)
			}
		}
	})
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(fmt.Errorf("what was read cannot be written: %w", err))
	}
	return string(text)
}
