package onion

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Every hop of a path can have its own cipher. The response has the cipher of the target.
func TestMixedCiphers(t *testing.T) {
	random := testRandom(t)
	kinds := []Cipher{AESGCM, XChaCha20, AESCBC}
	for _, last := range kinds {
		var nodes []node
		var path []Hop
		for _, kind := range append(kinds, last) {
			n := newNode(t, random)
			n.hop.Cipher = kind
			nodes, path = append(nodes, n), append(path, n.hop)
		}
		request, err := Wrap(random, V2, path[:3], path[3], []byte("payload"))
		if err != nil {
			t.Fatal(err)
		}
		body := request.Body
		var layer *Layer
		for i, n := range nodes {
			if layer, err = Open(V2, n.keys, body); err != nil {
				t.Fatalf("node %d: %v", i, err)
			}
			body = layer.Body
		}
		if layer.Step != Final || string(layer.Payload) != "payload" {
			t.Fatalf("target: step %v, %q", layer.Step, layer.Payload)
		}
		answer, err := layer.SealResponse(random, 200, "answer")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := request.OpenResponse(answer); err != nil || got != (Response{200, "answer"}) {
			t.Errorf("under %q comes %v, %v", last, got, err)
		}
		if _, err := Wrap(random, V1, nil, path[3], nil); (err == nil) != (last == AESGCM) {
			t.Errorf("version 1 with %q: %v", last, err)
		}
	}
	unknown := newNode(t, random).hop
	unknown.Cipher = "rot13"
	if _, err := Wrap(random, V2, nil, unknown, nil); !errors.Is(err, ErrCipher) {
		t.Errorf("an unknown cipher: %v", err)
	}
}

// Each cipher has several names. No name means AES-GCM (storage-2.8.md section 8.2).
func TestCipherNames(t *testing.T) {
	for name, want := range map[string]Cipher{
		"": AESGCM, "aes-gcm": AESGCM, "gcm": AESGCM, "xchacha20": XChaCha20, "xchacha20-poly1305": XChaCha20,
		"aes-cbc": AESCBC, "cbc": AESCBC,
	} {
		if got, err := parseCipher(name); err != nil || got != want {
			t.Errorf("%q is %q, %v", name, got, err)
		}
	}
	n := newNode(t, testRandom(t))
	for outer, want := range map[string]error{
		`{"ephemeral_key":"00","enc_type":"rot13"}`: ErrOuter,
		`{"ephemeral_key":"00","enc_type":1}`:       ErrOuter,
		`{"ephemeral_key":"00","hop_no":"1"}`:       ErrOuter,
		`{"ephemeral_key":"00","enc_type":"gcm"}`:   ErrCiphertext,
	} {
		if _, err := Open(V2, n.keys, append(withLength([]byte("sealed")), outer...)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", outer, err, want)
		}
	}
}

// Wrong padding and short ciphertexts give an error.
func TestCBCRefuses(t *testing.T) {
	random := testRandom(t)
	n := newNode(t, random)
	_, sealed, aead := sealText(t, random, AESCBC, n, []byte("sixteen bytes ok"))
	if plaintext, err := open(aead, sealed); err != nil || string(plaintext) != "sixteen bytes ok" {
		t.Fatalf("opens to %q, %v", plaintext, err)
	}
	spoilt := bytes.Clone(sealed)
	spoilt[len(spoilt)-17] ^= 0xff // the padding's end
	for name, bad := range map[string][]byte{
		"nothing": nil, "vector alone": sealed[:16], "part of a block": sealed[:33], "padding": spoilt,
	} {
		if _, err := open(aead, bad); err == nil {
			t.Errorf("%s opens", name)
		}
	}
}

// A node gives the same error for bad padding and for a plaintext that is no layer, so that it is no padding oracle.
func TestCBCHasOneError(t *testing.T) {
	random := testRandom(t)
	n := newNode(t, random)
	ephemeral, sealed, _ := sealText(t, random, AESCBC, n, []byte("no layer at all, as a changed one"))
	spoilt := bytes.Clone(sealed)
	spoilt[len(spoilt)-17] ^= 0xff
	var texts []string
	for _, body := range [][]byte{sealed, spoilt} {
		outer := &layerText{buffer: body}
		formatV2{}.layer("", AESCBC, ephemeral, outer)
		layer, err := Open(V2, n.keys, outer.content())
		if layer != nil || !errors.Is(err, ErrCiphertext) {
			t.Fatalf("opens as %+v, %v; want ErrCiphertext", layer, err)
		}
		texts = append(texts, err.Error())
	}
	if texts[0] != texts[1] {
		t.Errorf("two answers: %q and %q", texts[0], texts[1])
	}
}

// The client chooses the form of the response: JSON quoted or embedded, with or without base64.
func TestAnswerOptions(t *testing.T) {
	const object, text = `{"a":1}`, `no "object"`
	for _, test := range []struct {
		options  string
		body     string
		want     string
		isBase64 bool
	}{
		{`{"headers":{}}`, object, `"{\"a\":1}"`, true},
		{`{"headers":{},"json":true}`, object, `{"a":1}`, true},
		{`{"headers":[],"json":true}`, text, `"no \"object\""`, true},
		{`{"headers":{},"json":true,"base64":false}`, object, `{"a":1}`, false},
		{`{"headers":"","base64":false}`, object, `"{\"a\":1}"`, false},
		{`{"headers":"","base64":true,"json":false}`, object, `"{\"a\":1}"`, true},
		{`{"headers":"","json":true}`, `{broken`, `"{broken"`, true},
	} {
		plaintext := append(withLength([]byte("payload")), test.options...)
		_, layer, err := openPlaintext(t, V2, string(plaintext))
		if err != nil || layer.Step != Final {
			t.Fatalf("%s: %v", test.options, err)
		}
		answer, err := layer.SealResponse(testRandom(t), 200, test.body)
		if err != nil {
			t.Fatal(err)
		}
		if test.isBase64 {
			if answer, err = base64.StdEncoding.DecodeString(string(answer)); err != nil {
				t.Fatalf("%s: %v", test.options, err)
			}
		}
		opened, err := open(layer.response, answer)
		var got struct{ Body json.RawMessage }
		if err != nil || json.Unmarshal(opened, &got) != nil || string(got.Body) != test.want {
			t.Errorf("%s: %s (%v), want %s", test.options, opened, err, test.want)
		}
	}
}

// A request can claim earlier hops.
func TestHopNumber(t *testing.T) {
	random := testRandom(t)
	for text, want := range map[string]int{"-1": 0, "0": 0, "3": 3, "15": 15, "16": 16, "9223372036854775807": 16} {
		n := newNode(t, random)
		ephemeral, sealed, _ := sealText(t, random, AESGCM, n, append(withLength(nil), `{"headers":""}`...))
		outer := fmt.Sprintf(`{"ephemeral_key":"%s","hop_no":%s}`, ephemeral, text)
		layer, err := Open(V2, n.keys, append(withLength(sealed), strings.TrimSpace(outer)...))
		if err != nil || layer.Hops != want {
			t.Errorf("hop_no %s: %v, %v", text, layer, err)
		}
	}
}
