package onion

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestPad(t *testing.T) {
	for _, test := range []struct{ size, want int }{
		{2, 16 << 10}, {16 << 10, 16 << 10}, {16<<10 + 1, 64 << 10}, {64 << 10, 64 << 10}, {64<<10 + 1, 128 << 10},
		{128 << 10, 128 << 10}, {128<<10 + 1, 256 << 10}, {MaxBody - 1, MaxBody}, {MaxBody, MaxBody}, {MaxBody + 1, MaxBody + 1},
	} {
		payload := []byte(`"` + strings.Repeat("x", test.size-2) + `"`)
		padded := Pad(payload)
		if len(padded) != test.want || !bytes.Equal(bytes.TrimRight(padded, " "), payload) || !json.Valid(padded) {
			t.Errorf("%d bytes became %d, want %d", test.size, len(padded), test.want)
		}
	}
}

// Padded requests have one size for every everyday payload, and so have their responses. The payload and the body are
// what they would be without.
func TestPaddedRequests(t *testing.T) {
	for _, version := range []Version{V1, V2} {
		random := testRandom(t)
		n, guard := newNode(t, random), newNode(t, random)
		var requests, responses []int
		for _, length := range []int{2, 300, 12_000} {
			payload := `"` + strings.Repeat("x", length) + `"`
			wrapped, err := Wrap(random, version, []Hop{guard.hop}, n.hop, Pad([]byte(payload)))
			if err != nil {
				t.Fatal(err)
			}
			relayed, err := Open(version, guard.keys, wrapped.Body)
			if err != nil {
				t.Fatal(err)
			}
			layer, err := Open(version, n.keys, relayed.Body)
			if err != nil || layer.Step != Final || strings.TrimRight(string(layer.Payload), " ") != payload {
				t.Fatalf("version %d: opens as %v, %v", version, layer, err)
			}
			sealed, err := layer.SealResponse(random, 200, payload)
			if err != nil {
				t.Fatal(err)
			}
			if response, err := wrapped.OpenResponse(sealed); err != nil || response.Body != payload ||
				response.Status != 200 {
				t.Errorf("version %d: the response opens as %v, %v", version, response, err)
			}
			requests, responses = append(requests, len(wrapped.Body)), append(responses, len(sealed))
		}
		for i := range requests {
			if requests[i] != requests[0] || responses[i] != responses[0] {
				t.Errorf("version %d: requests of %v bytes, responses of %v", version, requests, responses)
				break
			}
		}
	}
}

// A request that does not ask for it gets a response of its own length, and so does one whose response would become too
// large.
func TestResponseIsPaddedOnRequest(t *testing.T) {
	random := testRandom(t)
	n := newNode(t, random)
	plain, err := Wrap(random, V2, nil, n.hop, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := Open(V2, n.keys, plain.Body)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := layer.SealResponse(random, 200, "{}")
	if err != nil || len(sealed) > 200 || len(plain.Body) > 300 {
		t.Errorf("request of %d bytes, response of %d (%v)", len(plain.Body), len(sealed), err)
	}
	large := make([]byte, MaxBody-10)
	if padded := padResponse(large); len(padded) != MaxBody {
		t.Errorf("a response of %d bytes is padded to %d", len(large), len(padded))
	}
}
