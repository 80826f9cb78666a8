package onion

import (
	"bytes"
	"encoding/json"
	"maps"
	"testing"
	"unicode/utf8"
)

// versionOf lets a fuzzed bit choose the version.
func versionOf(second bool) Version {
	if second {
		return V2
	}
	return V1
}

// FuzzOpen posts any body to a node. It must not panic.
func FuzzOpen(f *testing.F) {
	random := testRandom(f)
	n := newNode(f, random)
	for _, version := range versions {
		request, err := Wrap(random, version, []Hop{n.hop}, n.hop, []byte("{}"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(version == V2, request.Body)
	}
	f.Add(true, []byte("\xff\xff\xff\xff{}"))
	f.Fuzz(func(t *testing.T, second bool, body []byte) {
		layer, err := Open(versionOf(second), n.keys, body)
		if (err == nil) != (layer != nil) {
			t.Fatalf("layer %v with error %v", layer, err)
		}
	})
}

// FuzzLayer encrypts any plaintext in a layer. The layer must open, and the body of a Relay must be valid.
func FuzzLayer(f *testing.F) {
	f.Add(false, []byte(`{"destination":"d","ciphertext":"c\u003d","ephemeral_key":"e"}`))
	f.Add(false, []byte(`{"body":"{}","headers":""}`))
	f.Add(true, []byte("\x02\x00\x00\x00{}{\"headers\":\"\"}"))
	f.Add(true, []byte("\x01\x00\x00\x00c{\"destination\":\"d\",\"ephemeral_key\":\"e\"}"))
	f.Add(true, []byte("\xff\xff\xff\xff{}"))
	f.Fuzz(func(t *testing.T, second bool, plaintext []byte) {
		version := versionOf(second)
		_, layer, err := openPlaintext(t, version, string(plaintext))
		if err != nil {
			t.Fatal(err)
		}
		if layer.Step != Relay {
			return
		}
		format, err := version.format()
		if err != nil {
			t.Fatal(err)
		}
		if fields, err := parseObject(layer.Body); version == V1 && (err != nil || len(fields) != 2) {
			t.Fatalf("relayed body %q: %v", layer.Body, err)
		}
		if _, err := format.parseBody(layer.Body); version == V2 && err != nil {
			t.Fatalf("relayed body %q: %v", layer.Body, err)
		}
	})
}

// FuzzPayload sends any payload over a path. It must arrive unchanged.
func FuzzPayload(f *testing.F) {
	random := testRandom(f)
	n := newNode(f, random)
	f.Add(false, []byte(`{"method":"retrieve"}`))
	f.Add(true, []byte("\x00\xff<&>\u2028"))
	f.Fuzz(func(t *testing.T, second bool, payload []byte) {
		version := versionOf(second)
		request, err := Wrap(random, version, []Hop{n.hop}, n.hop, payload)
		if version == V1 && !utf8.Valid(payload) {
			if err == nil {
				t.Fatal("version 1 took a payload that is no text")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		relay, err := Open(version, n.keys, request.Body)
		if err != nil {
			t.Fatal(err)
		}
		last, err := Open(version, n.keys, relay.Body)
		if err != nil || last.Step != Final || !bytes.Equal(last.Payload, payload) {
			t.Fatalf("%v, payload %q, error %v", last.Step, last.Payload, err)
		}
	})
}

// FuzzOpenResponse answers a request with any bytes, plain and encrypted by the target. A response that decrypts can be
// encrypted again.
func FuzzOpenResponse(f *testing.F) {
	f.Add([]byte(`{"body":"{}","status":200}`))
	f.Add([]byte(`{"status":421,"body":"\u00e9\ud83d\udc0e"}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		request, layer, err := openPlaintext(t, V2, "")
		if err != nil {
			t.Fatal(err)
		}
		if response, err := request.OpenResponse(answer); err == nil {
			t.Fatalf("forged answer opened to %v", response)
		}
		response, err := request.OpenResponse(sealAnswer(t, layer, string(answer)))
		if err != nil {
			return
		}
		again, err := layer.SealResponse(testRandom(t), response.Status, response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := request.OpenResponse(again); err != nil || got != response {
			t.Fatalf("%v became %v, %v", response, got, err)
		}
	})
}

// FuzzParsePlain compares parsePlain with encoding/json.
func FuzzParsePlain(f *testing.F) {
	for _, text := range []string{`{}`, `{"a":"b"}`, `{"a": "b", "a":"c","":""}`, `{"a":1}`, `{"a":"b",}`, `{"a":"b"`,
		`{,}`, `{"a":"\u0062"}`, `{"a":"b"} `} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := parsePlain(data)
		if !ok || !utf8.Valid(data) {
			return
		}
		var want object
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("%q is no JSON: %v", data, err)
		}
		if !maps.EqualFunc(got, want, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
			t.Fatalf("%q: %s, want %s", data, got, want)
		}
		for key := range got {
			text, err := got.text(key)
			var plain string
			if unmarshal := json.Unmarshal(want[key], &plain); err != nil || unmarshal != nil || text != plain {
				t.Fatalf("%q: %q, want %q (%v, %v)", data, text, plain, err, unmarshal)
			}
		}
	})
}
