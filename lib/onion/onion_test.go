package onion

import (
	"bytes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"sessiontool/lib/internal/benchpair"
	"sessiontool/lib/x25519"
)

var versions = []Version{V1, V2}

// testRandom returns a source of bytes that is the same in every run and differs from test to test.
func testRandom(t testing.TB) io.Reader {
	var seed [32]byte
	copy(seed[:], t.Name())
	return rand.NewChaCha8(seed)
}

// node is a service node: its hop and its private keys.
type node struct {
	hop  Hop
	keys x25519.KeyPair
}

func newNode(t testing.TB, random io.Reader) node {
	t.Helper()
	keys, err := x25519.GenerateKey(random)
	if err != nil {
		t.Fatal(err)
	}
	var n node
	n.keys, n.hop.X25519 = keys, keys.Public
	if _, err := io.ReadFull(random, n.hop.Ed25519[:]); err != nil {
		t.Fatal(err)
	}
	return n
}

// openPlaintext encrypts plaintext for a new node and opens it there. The plaintext need not be a valid layer. The
// returned request decrypts the node's response.
func openPlaintext(t testing.TB, version Version, plaintext string) (*Request, *Layer, error) {
	t.Helper()
	random := testRandom(t)
	n := newNode(t, random)
	sealed := &layerText{buffer: []byte(plaintext)}
	ephemeral, aead, err := sealFor(random, AESGCM, n.hop.X25519, sealed)
	if err != nil {
		t.Fatal(err)
	}
	format, err := version.format()
	if err != nil {
		t.Fatal(err)
	}
	format.layer("", AESGCM, ephemeral, sealed)
	body := sealed.content()
	layer, err := Open(version, n.keys, body)
	return &Request{Body: body, response: aead}, layer, err
}

// withLength returns length || content.
func withLength(content []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(content))), content...)
}

// sealText is sealFor with memory of its own.
func sealText(t *testing.T, random io.Reader, kind Cipher, n node, plaintext []byte) (x25519.PublicKey, []byte, cipher.AEAD) {
	t.Helper()
	sealed := &layerText{buffer: plaintext}
	ephemeral, aead, err := sealFor(random, kind, n.hop.X25519, sealed)
	if err != nil {
		t.Fatal(err)
	}
	return ephemeral, bytes.Clone(sealed.content()), aead
}

func TestEveryPathLength(t *testing.T) {
	random := testRandom(t)
	payload := `{"method":"retrieve","params":{"pubKey":"<ž & 中>","lastHash":""}}`
	for _, version := range versions {
		for relays := range MaxRelays + 1 {
			t.Run(fmt.Sprintf("version %d, %d relays", version, relays), func(t *testing.T) {
				var nodes []node
				var path []Hop
				for range relays + 1 {
					n := newNode(t, random)
					nodes, path = append(nodes, n), append(path, n.hop)
				}
				request, err := Wrap(random, version, path[:relays], path[relays], []byte(payload))
				if err != nil {
					t.Fatal(err)
				}
				body := request.Body
				for i, n := range nodes {
					layer, err := Open(version, n.keys, body)
					if err != nil {
						t.Fatalf("node %d: %v", i, err)
					}
					if i < relays {
						if layer.Step != Relay {
							t.Fatalf("node %d: step %v", i, layer.Step)
						}
						body = layer.Body
						continue
					}
					if layer.Step != Final || string(layer.Payload) != payload {
						t.Fatalf("target: step %v, %q", layer.Step, layer.Payload)
					}
					answer, err := layer.SealResponse(random, 421, `{"snodes":[]}`)
					if err != nil {
						t.Fatal(err)
					}
					response, err := request.OpenResponse(answer)
					if want := (Response{421, `{"snodes":[]}`}); err != nil || response != want {
						t.Fatalf("response %v (%v), want %v", response, err, want)
					}
				}
			})
		}
	}
}

// A node may be relay and target of one request (signal-2020.md section 13).
func TestTargetInItsOwnPath(t *testing.T) {
	random := testRandom(t)
	n := newNode(t, random)
	for _, version := range versions {
		request, err := Wrap(random, version, []Hop{n.hop}, n.hop, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		outer, err := Open(version, n.keys, request.Body)
		if err != nil {
			t.Fatal(err)
		}
		inner, err := Open(version, n.keys, outer.Body)
		if err != nil || inner.Step != Final {
			t.Errorf("version %d: %v, %v", version, inner, err)
		}
	}
}

func TestWrapRefuses(t *testing.T) {
	random := testRandom(t)
	n := newNode(t, random)
	for _, test := range []struct {
		name    string
		version Version
		relays  []Hop
		target  Hop
		payload string
		random  io.Reader
		want    error
	}{
		{"an unknown version", 3, nil, n.hop, "{}", random, ErrVersion},
		{"too long a path", V2, make([]Hop, MaxRelays+1), n.hop, "{}", random, ErrTooManyRelays},
		{"a payload no node would take", V2, nil, n.hop, strings.Repeat("x", MaxBody), random, ErrTooLarge},
		{"base64 that outgrows what nodes take", V1, []Hop{n.hop, n.hop}, n.hop, strings.Repeat("x", MaxBody/2), random,
			ErrTooLarge},
		{"a payload that JSON cannot carry", V1, nil, n.hop, "\xff", random, ErrNotText},
		{"a hop without a key", V2, []Hop{{}}, n.hop, "{}", random, x25519.ErrLowOrder},
		{"a target without a key", V2, nil, Hop{}, "{}", random, x25519.ErrLowOrder},
		{"no randomness for a key", V2, nil, n.hop, "{}", strings.NewReader("short"), io.ErrUnexpectedEOF},
		{"no randomness for a nonce", V2, nil, n.hop, "{}", strings.NewReader(strings.Repeat("x", 32)), io.EOF},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Wrap(test.random, test.version, test.relays, test.target, []byte(test.payload))
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	random := testRandom(t)
	n, stranger := newNode(t, random), newNode(t, random)
	for _, version := range versions {
		request, err := Wrap(random, version, nil, n.hop, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(version, stranger.keys, request.Body); !errors.Is(err, ErrCiphertext) {
			t.Errorf("version %d, another node's key: %v", version, err)
		}
		if _, err := Open(version, n.keys, nil); !errors.Is(err, ErrOuter) {
			t.Errorf("version %d, empty body: %v", version, err)
		}
	}
	if _, err := Open(0, n.keys, nil); !errors.Is(err, ErrVersion) {
		t.Errorf("unknown version: %v", err)
	}
	zeros := strings.Repeat("0", 64)
	sealed := base64.StdEncoding.EncodeToString(make([]byte, 64))
	for _, test := range []struct {
		name    string
		version Version
		body    string
		want    error
	}{
		{"an array", V1, `[]`, ErrOuter},
		{"null", V1, `null`, ErrOuter},
		{"no ciphertext", V1, `{"ephemeral_key":"` + zeros + `"}`, ErrOuter},
		{"no ephemeral key", V1, `{"ciphertext":"` + sealed + `"}`, ErrOuter},
		{"a key of another case", V1, `{"Ciphertext":"` + sealed + `","ephemeral_key":"` + zeros + `"}`, ErrOuter},
		{"something behind the object", V1, `{"ciphertext":"` + sealed + `","ephemeral_key":"` + zeros + `"}x`,
			ErrOuter},
		{"a text that is no UTF-8", V1, `{"ciphertext":"` + sealed + `","ephemeral_key":"` + zeros + `","x":"` +
			"\xff" + `"}`, ErrOuter},
		{"a ciphertext that is no base64", V1, `{"ciphertext":"!","ephemeral_key":"` + zeros + `"}`, ErrCiphertext},
		{"a low-order ephemeral key", V1, `{"ciphertext":"` + sealed + `","ephemeral_key":"` + zeros + `"}`,
			ErrCiphertext},
		{"an ephemeral key that is too short", V1, `{"ciphertext":"` + sealed + `","ephemeral_key":"00"}`,
			ErrCiphertext},
		{"an ephemeral key that is no hex", V1, `{"ciphertext":"` + sealed + `","ephemeral_key":"` + zeros[:63] + `x"}`,
			ErrCiphertext},
		{"less than a nonce", V1, `{"ciphertext":"AAAA","ephemeral_key":"` + n.hop.X25519.String() + `"}`,
			ErrCiphertext},
		{"less than a length", V2, "\x00\x00\x00", ErrOuter},
		{"a length beyond the end", V2, "\x05\x00\x00\x00{}", ErrOuter},
		{"a length that wraps in 32 bits", V2, "\xff\xff\xff\xff{}", ErrOuter},
		{"nothing behind the ciphertext", V2, "\x02\x00\x00\x00{}", ErrOuter},
		{"no ephemeral key", V2, "\x00\x00\x00\x00{}", ErrOuter},
		{"a low-order ephemeral key", V2, "\x00\x00\x00\x00" + `{"ephemeral_key":"` + zeros + `"}`, ErrCiphertext},
	} {
		t.Run(fmt.Sprintf("version %d, %s", test.version, test.name), func(t *testing.T) {
			if _, err := Open(test.version, n.keys, []byte(test.body)); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// A node can encrypt its response to every layer that decrypts.
func TestLayersByWhatTheySay(t *testing.T) {
	const next = `"ephemeral_key":"e"`
	for _, test := range []struct {
		name      string
		version   Version
		plaintext string
		want      Layer
	}{
		{"no JSON", V1, "x", Layer{Step: Malformed}},
		{"no object", V1, "[]", Layer{Step: Malformed}},
		{"nothing known", V1, "{}", Layer{Step: Malformed}},
		{"a body that is a number", V1, `{"body":1}`, Layer{Step: Malformed}},
		{"a relay without ciphertext", V1, `{"destination":"d",` + next + `}`, Layer{Step: Malformed}},
		{"a relay without key", V1, `{"destination":"d","ciphertext":"c"}`, Layer{Step: Malformed}},
		{"a server without target", V1, `{"host":"h"}`, Layer{Step: Malformed}},
		{"a server", V1, `{"host":"h","target":"/x"}`, Layer{Step: Server}},
		{"a relay", V1, `{"x":0,"ciphertext":"c",` + next + `,"destination":"d"}`,
			Layer{Step: Relay, Destination: "d", Body: []byte(`{"ciphertext":"c",` + next + `}`)}},
		{"an empty request", V1, `{"body":""}`, Layer{Step: Final}},
		{"a body beside a destination", V1, `{"body":"{}","destination":"d"}`,
			Layer{Step: Final, Payload: []byte("{}")}},

		{"less than a length", V2, "ab", Layer{Step: Malformed}},
		{"a length that wraps in 32 bits", V2, "\xff\xff\xff\xff{}", Layer{Step: Malformed}},
		{"no JSON", V2, "\x00\x00\x00\x00x", Layer{Step: Malformed}},
		{"nothing known", V2, "\x00\x00\x00\x00{}", Layer{Step: Malformed}},
		{"a relay without key", V2, "\x00\x00\x00\x00" + `{"destination":"d"}`, Layer{Step: Malformed}},
		{"a server with a number for a target", V2, "\x00\x00\x00\x00" + `{"host":"h","target":1}`,
			Layer{Step: Malformed}},
		{"a server", V2, "\x00\x00\x00\x00" + `{"host":"h","target":"/x"}`, Layer{Step: Server}},
		{"a relay", V2, "\x01\x00\x00\x00c" + `{` + next + `,"destination":"d"}`,
			Layer{Step: Relay, Destination: "d", Body: []byte("\x01\x00\x00\x00c{" + next + "}")}},
		{"headers of any value", V2, "\x02\x00\x00\x00{}" + `{"headers":null,"destination":"d"}`,
			Layer{Step: Final, Payload: []byte("{}")}},
	} {
		t.Run(fmt.Sprintf("version %d, %s", test.version, test.name), func(t *testing.T) {
			request, layer, err := openPlaintext(t, test.version, test.plaintext)
			if err != nil {
				t.Fatal(err)
			}
			if layer.Step != test.want.Step || layer.Destination != test.want.Destination ||
				!bytes.Equal(layer.Body, test.want.Body) || !bytes.Equal(layer.Payload, test.want.Payload) {
				t.Errorf("got %v to %q, body %q, payload %q, want %v to %q, body %q, payload %q",
					layer.Step, layer.Destination, layer.Body, layer.Payload,
					test.want.Step, test.want.Destination, test.want.Body, test.want.Payload)
			}
			answer, err := layer.SealResponse(testRandom(t), 400, TextJSON)
			if err != nil {
				t.Fatal(err)
			}
			if response, err := request.OpenResponse(answer); err != nil || response != (Response{400, TextJSON}) {
				t.Errorf("answer opens to %v, %v", response, err)
			}
		})
	}
}

// sealAnswer encrypts plaintext like SealResponse. The plaintext need not be a valid response.
func sealAnswer(t testing.TB, layer *Layer, plaintext string) []byte {
	t.Helper()
	sealed, err := seal(testRandom(t), layer.response, []byte(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.AppendEncode(nil, sealed)
}

func TestOpenResponseRefuses(t *testing.T) {
	random := testRandom(t)
	request, layer, err := openPlaintext(t, V2, "")
	if err != nil {
		t.Fatal(err)
	}
	sealed := func(plaintext string) string { return string(sealAnswer(t, layer, plaintext)) }
	for name, body := range map[string]string{
		"nothing":                    "",
		"a bare text":                TextCiphertext,
		"base64 of something else":   base64.StdEncoding.EncodeToString(make([]byte, 64)),
		"no JSON":                    sealed("x"),
		"no body":                    sealed(`{"status":200}`),
		"no status":                  sealed(`{"body":""}`),
		"a status that is a text":    sealed(`{"body":"","status":"200"}`),
		"a status that is no status": sealed(`{"body":"","status":-1}`),
		"a status of two digits":     sealed(`{"body":"","status":99}`),
		"a status of four digits":    sealed(`{"body":"","status":1000}`),
		"a control character":        sealed("{\"body\":\"\x01\",\"status\":200}"),
	} {
		if response, err := request.OpenResponse([]byte(body)); !errors.Is(err, ErrResponse) {
			t.Errorf("%s: %v, %v", name, response, err)
		}
	}
	for _, status := range []int{100, 999} {
		response, err := request.OpenResponse([]byte(sealed(fmt.Sprintf(`{"body":" ","status":%d}`, status))))
		if err != nil || response.Status != status || response.Body != " " {
			t.Errorf("status %d: %v, %v", status, response, err)
		}
	}
	if _, err := layer.SealResponse(random, 200, "\xff"); !errors.Is(err, ErrNotText) {
		t.Errorf("an answer that is no text: %v", err)
	}
	if _, err := layer.SealResponse(strings.NewReader(""), 200, ""); !errors.Is(err, io.EOF) {
		t.Errorf("no randomness: %v", err)
	}
}

// A text without escapes is cut out as it stands, up to the quotation mark.
func TestCutPlain(t *testing.T) {
	for data, want := range map[string]string{
		`"" x`: `""`, `"a b", "c"`: `"a b"`, "": "", `a"`: "", `"a`: "", `"\n"`: "", "\"\x1f\"": "", "\"\x20\"": `" "`,
	} {
		text, rest, ok := cutPlain([]byte(data))
		if ok != (want != "") || string(text) != want || ok && string(text)+string(rest) != data {
			t.Errorf("%q: %q, %q, %v", data, text, rest, ok)
		}
	}
}

// The largest body that a node takes is wrapped, and none larger.
func TestLargestRequest(t *testing.T) {
	random := testRandom(t)
	n := newNode(t, random)
	small, err := Wrap(random, V2, nil, n.hop, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	payload := bytes.Repeat([]byte{'x'}, MaxBody-(len(small.Body)-2))
	if largest, err := Wrap(random, V2, nil, n.hop, payload); err != nil || len(largest.Body) != MaxBody {
		t.Errorf("the largest: %v", err)
	}
	if _, err := Wrap(random, V2, nil, n.hop, append(payload, 'x')); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a byte more: %v", err)
	}
}

func TestNamesOfStepsAndVersions(t *testing.T) {
	for step, want := range map[Step]string{Malformed: "malformed", Relay: "relay", Final: "final", Server: "server",
		9: "step 9"} {
		if step.String() != want {
			t.Errorf("%v, want %s", step, want)
		}
	}
	if path := Version(3).Path(); path != "" {
		t.Errorf("unknown version has path %q", path)
	}
}

// A request of 1 kB wrapped, and what its X25519 operations alone take: for every layer one that makes the ephemeral
// key and one that agrees on the layer's key. Three layers make six; clients send four, for three relays and a target.
func BenchmarkWrap(b *testing.B) {
	random := testRandom(b)
	var hops []Hop
	for range 4 {
		hops = append(hops, newNode(b, random).hop)
	}
	payload := bytes.Repeat([]byte("x"), 1000)
	for _, layers := range []int{3, 4} {
		for _, version := range versions {
			b.Run(fmt.Sprintf("layers=%d/version=%d", layers, version), func(b *testing.B) {
				relays, target := hops[:layers-1], hops[layers-1]
				benchpair.Compare(b, 1, func() {
					if _, err := Wrap(random, version, relays, target, payload); err != nil {
						b.Fatal(err)
					}
				}, func() {
					for _, hop := range hops[:layers] {
						ephemeral, err := x25519.GenerateKey(random)
						if err != nil {
							b.Fatal(err)
						}
						if _, err := ephemeral.DH(hop.X25519); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
		}
	}
}
