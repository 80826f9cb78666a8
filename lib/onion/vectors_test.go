package onion

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/x25519"
)

// recordedRequest is a recorded onion request of a client, with the keys of all hops.
type recordedRequest struct {
	Version           Version          `json:"version"`
	URL               string           `json:"url"`
	Body              vectors.Hex      `json:"payload_hex"`
	Layers            []*recordedLayer `json:"layers_outer_to_inner"`
	ResponseBase64    string           `json:"response_base64"`
	ResponsePlaintext string           `json:"response_plaintext"`
}

type recordedLayer struct {
	Hop struct {
		Ed25519 vectors.Hex `json:"pubkey_ed25519"`
		X25519  vectors.Hex `json:"pubkey_x25519"`
		Private vectors.Hex `json:"x25519_priv"`
	} `json:"hop"`
	EphemeralPrivate vectors.Hex `json:"ephemeral_private"`
	Nonce            vectors.Hex `json:"nonce"`
	Plaintext        vectors.Hex `json:"plaintext"`
	Payload          string      `json:"body"` // of the last layer
}

func (l *recordedLayer) hop(t *testing.T) Hop {
	return Hop{Ed25519: l.Hop.Ed25519.Array32(t), X25519: l.Hop.X25519.Array32(t)}
}

func (l *recordedLayer) keys(t *testing.T) x25519.KeyPair {
	return x25519.NewKeyPair(l.Hop.Private.Array32(t))
}

// rewrap wraps the request again for the layers from number first on, as for a shorter path.
func (r *recordedRequest) rewrap(t *testing.T, first int) *Request {
	t.Helper()
	layers := r.Layers[first:]
	var draws bytes.Buffer
	for _, layer := range slices.Backward(layers) {
		draws.Write(layer.EphemeralPrivate)
		draws.Write(layer.Nonce)
	}
	var path []Hop
	for _, layer := range layers {
		path = append(path, layer.hop(t))
	}
	target := len(path) - 1
	request, err := Wrap(&draws, r.Version, path[:target], path[target], []byte(layers[target].Payload))
	if err != nil {
		t.Fatal(err)
	}
	if draws.Len() != 0 {
		t.Fatalf("%d drawn bytes were not used", draws.Len())
	}
	return request
}

func loadRequests(t *testing.T) []*recordedRequest {
	var file struct {
		Requests []*recordedRequest `json:"onion_requests"`
	}
	vectors.Load(t, "onion.json", &file)
	return file.Requests
}

func TestRecordedRequestsAreMadeAgain(t *testing.T) {
	for i, recorded := range loadRequests(t) {
		if !strings.HasSuffix(recorded.URL, recorded.Version.Path()) {
			t.Errorf("request %d went to %s, version %d goes to %s", i, recorded.URL, recorded.Version,
				recorded.Version.Path())
		}
		if request := recorded.rewrap(t, 0); !bytes.Equal(request.Body, recorded.Body) {
			t.Errorf("request %d:\n got %q\nwant %q", i, request.Body, recorded.Body)
		}
	}
}

func TestRecordedRequestsArePeeledNodeByNode(t *testing.T) {
	for i, recorded := range loadRequests(t) {
		body := []byte(recorded.Body)
		last := len(recorded.Layers) - 1
		for j, node := range recorded.Layers {
			layer, err := Open(recorded.Version, node.keys(t), body)
			if err != nil {
				t.Fatalf("request %d, layer %d: %v", i, j, err)
			}
			if j == last {
				if layer.Step != Final || string(layer.Payload) != node.Payload {
					t.Errorf("request %d ends in step %v with %q, want %q", i, layer.Step, layer.Payload, node.Payload)
				}
				continue
			}
			next := recorded.Layers[j+1].hop(t)
			if want := x25519.PublicKey(next.Ed25519).String(); layer.Step != Relay || layer.Destination != want {
				t.Fatalf("request %d, layer %d: step %v to %q, want a relay to %s", i, j, layer.Step, layer.Destination,
					want)
			}
			if want := recorded.rewrap(t, j+1).Body; !bytes.Equal(layer.Body, want) {
				t.Errorf("request %d, layer %d relays\n     %q\nwant %q", i, j, layer.Body, want)
			}
			body = layer.Body
		}
	}
}

func TestRecordedPlaintextsOfEveryLayer(t *testing.T) {
	for i, recorded := range loadRequests(t) {
		body := []byte(recorded.Body)
		for j, node := range recorded.Layers {
			format, err := recorded.Version.format()
			if err != nil {
				t.Fatal(err)
			}
			outer, err := format.parseBody(body)
			if err != nil {
				t.Fatalf("request %d, layer %d: %v", i, j, err)
			}
			public, err := parseKey(outer.ephemeral)
			if err != nil {
				t.Fatal(err)
			}
			aead, err := layerCipher(outer.cipher, node.keys(t), public, node.keys(t).Public)
			if err != nil {
				t.Fatal(err)
			}
			plaintext, err := open(aead, outer.sealed)
			if err != nil || !bytes.Equal(plaintext, node.Plaintext) {
				t.Errorf("request %d, layer %d opens to %q (%v), want %q", i, j, plaintext, err, node.Plaintext)
			}
			layer, err := format.parseLayer(plaintext)
			if err != nil {
				t.Fatalf("request %d, layer %d: %v", i, j, err)
			}
			body = layer.Body
		}
	}
}

func TestRecordedResponses(t *testing.T) {
	for i, recorded := range loadRequests(t) {
		var want struct {
			Status int    `json:"status"`
			Body   string `json:"body"`
		}
		if err := json.Unmarshal([]byte(recorded.ResponsePlaintext), &want); err != nil {
			t.Fatal(err)
		}
		got, err := recorded.rewrap(t, 0).OpenResponse([]byte(recorded.ResponseBase64))
		if err != nil || got != Response(want) {
			t.Errorf("response %d opens to %v (%v), want %v", i, got, err, want)
		}

		last := len(recorded.Layers) - 1
		layer, err := Open(recorded.Version, recorded.Layers[last].keys(t), recorded.rewrap(t, last).Body)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := base64.StdEncoding.DecodeString(recorded.ResponseBase64)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := layer.SealResponse(bytes.NewReader(sealed[:layer.response.NonceSize()]), want.Status, want.Body)
		if err != nil || string(answer) != recorded.ResponseBase64 {
			t.Errorf("response %d is made as %s (%v), want %s", i, answer, err, recorded.ResponseBase64)
		}
	}
}

// The keys of the recorded servers are not known, so a well-formed request does not open here. The test distinguishes
// all the same: a body of the wrong shape and a layer that does not open get the answers they got there.
func TestRecordedServerAnswersToBodies(t *testing.T) {
	data, err := os.ReadFile(vectors.Path(t, "node-2020.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	node, err := x25519.GenerateKey(testRandom(t))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		var row struct {
			Number  int    `json:"n"`
			Path    string `json:"path"`
			Request struct {
				Text   string `json:"text"`
				Base64 []byte `json:"base64"`
			} `json:"request_body"`
			Status   *int `json:"status"`
			Response struct {
				Text string `json:"text"`
			} `json:"response_body"`
		}
		if err := json.Unmarshal(line, &row); err != nil {
			continue // rows of other kinds give these names to other things
		}
		version, ok := map[string]Version{V1.Path(): V1, V2.Path(): V2}[row.Path]
		if !ok {
			continue
		}
		_, err := Open(version, node, append(row.Request.Base64, row.Request.Text...))
		want := ErrCiphertext
		if row.Status == nil || strings.HasPrefix(row.Response.Text, TextOuter) {
			want = ErrOuter // no answer: the length that killed the server
		}
		if !errors.Is(err, want) {
			t.Errorf("row %d, answered with %q there: got %v, want %v", row.Number, row.Response.Text, err, want)
		}
	}
}
