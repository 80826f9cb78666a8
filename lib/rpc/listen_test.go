package rpc_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"sessiontool/lib/rpc"
)

var deliveryID = strings.Repeat("0f", rpc.DeliveryIDSize)

// The two methods as they stand on the wire.
func TestListenRequests(t *testing.T) {
	for _, test := range []struct {
		method string
		params any
		want   string
	}{
		{
			rpc.MethodListen,
			rpc.ListenParams{
				PubKey: "05", PubkeyEd25519: "cd", Timestamp: "17", Signature: "ef", Listener: "ab", WaitMillis: 8000,
				Acks: []rpc.Ack{{ID: "01", Ack: "AA=="}},
			},
			`{"jsonrpc":"2.0","id":"0","method":"listen","params":{"pubKey":"05","pubkey_ed25519":"cd","timestamp":"17",` +
				`"signature":"ef","listener":"ab","wait_ms":8000,"acks":[{"id":"01","ack":"AA=="}]}}`,
		},
		{
			rpc.MethodListen, rpc.ListenParams{Stop: true},
			`{"jsonrpc":"2.0","id":"0","method":"listen","params":{"pubKey":"","pubkey_ed25519":"","timestamp":"",` +
				`"signature":"","listener":"","wait_ms":0,"stop":true}}`,
		},
		{
			rpc.MethodDeliver, rpc.DeliverParams{PubKey: "05", Data: "CAES", WaitMillis: 5000},
			`{"jsonrpc":"2.0","id":"0","method":"deliver","params":{"pubKey":"05","data":"CAES","wait_ms":5000}}`,
		},
	} {
		body, err := rpc.NewRequest(test.method, test.params)
		if err != nil || string(body) != test.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", test.method, body, err, test.want)
		}
	}
	if got := string(rpc.ListenSignatureText("17", "ab", "cd")); got != "listen17abcd" {
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
		{name: "some are none", body: `{"messages":[7,{},{"id":"zz","data":""},{"id":"` + deliveryID[1:] + `"},` + good + `]}`, want: 1},
		{name: "id no hex", body: `{"messages":[{"id":"` + strings.Repeat("x", len(deliveryID)) + `","data":"YQ=="}]}`},
		{name: "too large", body: `{"messages":[{"id":"` + deliveryID + `","data":"` + strings.Repeat("a", rpc.MaxDataBytes+1) + `"}]}`},
		{name: "too many", body: `{"messages":[` + strings.Repeat(good+",", 10*rpc.MaxDeliveries) + good + `]}`, want: rpc.MaxDeliveries},
		{name: "no list", body: `{"ack":""}`, fails: true},
		{name: "no JSON", body: `listening is busy`, fails: true},
	} {
		got, err := rpc.ParseDeliveries(test.body)
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

func TestParseAck(t *testing.T) {
	want := [rpc.AckSize]byte{1, 2, 3}
	text := base64.StdEncoding.EncodeToString(want[:])
	if got, err := rpc.ParseAck(marshal(t, rpc.DeliverAnswer{Ack: text})); err != nil || got != want {
		t.Errorf("got %x, %v", got, err)
	}
	for _, body := range []string{``, `{}`, `{"ack":7}`, `{"ack":"AA=="}`, `{"ack":"%"}`, `{"ack":"` + text + text + `"}`} {
		if got, err := rpc.ParseAck(body); err == nil {
			t.Errorf("%q is the acknowledgement %x", body, got)
		}
	}
}

func FuzzParseListenAnswers(f *testing.F) {
	f.Add(`{"messages":[{"id":"` + deliveryID + `","data":"YQ=="}]}`)
	f.Add(`{"ack":"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="}`)
	f.Fuzz(func(t *testing.T, body string) {
		if deliveries, err := rpc.ParseDeliveries(body); err == nil {
			again, err := rpc.ParseDeliveries(marshal(t, rpc.ListenAnswer{Messages: deliveries}))
			if err != nil || !slices.Equal(again, deliveries) {
				t.Errorf("read %v, then %v, %v", deliveries, again, err)
			}
		}
		if ack, err := rpc.ParseAck(body); err == nil {
			again, err := rpc.ParseAck(marshal(t, rpc.DeliverAnswer{Ack: base64.StdEncoding.EncodeToString(ack[:])}))
			if err != nil || again != ack {
				t.Errorf("read %x, then %x, %v", ack, again, err)
			}
		}
	})
}
