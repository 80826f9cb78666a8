package onion

import (
	"bytes"
	"strings"
	"testing"
)

func TestPaddedSize(t *testing.T) {
	for n, want := range map[int]int{
		0: 16 << 10, 1: 16 << 10, 16 << 10: 16 << 10, 16<<10 + 1: 128 << 10, 128<<10 + 1: 1 << 20, 1 << 20: 1 << 20, 1<<20 + 1: 2 << 20,
	} {
		if got := PaddedSize(n); got != want {
			t.Errorf("%d bytes are padded to %d, want %d", n, got, want)
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
			wrapped, err := WrapPadded(random, version, []Hop{guard.hop}, n.hop, []byte(payload))
			if err != nil {
				t.Fatal(err)
			}
			relayed, err := Open(version, guard.keys, wrapped.Body)
			if err != nil {
				t.Fatal(err)
			}
			layer, err := Open(version, n.keys, relayed.Body)
			if err != nil || layer.Step != Final || string(layer.Payload) != payload {
				t.Fatalf("version %d: opens as %v, %v", version, layer, err)
			}
			sealed, err := layer.SealResponse(random, 200, payload)
			if err != nil {
				t.Fatal(err)
			}
			if response, err := wrapped.OpenResponse(sealed); err != nil || response.Body != payload || response.Status != 200 {
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

// A request that does not ask for it is neither padded nor answered so, and a large one is left as it is.
func TestPaddingOnRequest(t *testing.T) {
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
	large := bytes.Repeat([]byte("x"), 2<<20)
	padded, err := WrapPadded(random, V2, nil, n.hop, large)
	if err != nil || len(padded.Body) > len(large)+300 {
		t.Errorf("a request of %d bytes is padded to %d (%v)", len(large), len(padded.Body), err)
	}
}
