package onion

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/x25519"
)

// sealCBC encrypts the plaintext of a proxy request like a client.
func sealCBC(block cipher.Block, vector [aes.BlockSize]byte, plaintext []byte) []byte {
	padding := aes.BlockSize - len(plaintext)%aes.BlockSize
	padded := append(bytes.Clone(plaintext), bytes.Repeat([]byte{byte(padding)}, padding)...)
	cipher.NewCBCEncrypter(block, vector[:]).CryptBlocks(padded, padded)
	return append(vector[:], padded...)
}

func TestRecordedProxyRequests(t *testing.T) {
	var recorded struct {
		Requests []struct {
			Headers map[string]string `json:"headers"`
			Target  struct {
				Private vectors.Hex `json:"x25519_priv"`
			} `json:"target"`
			Secret            vectors.Hex `json:"aes_cbc_key_is_raw_x25519_secret"`
			Body              vectors.Hex `json:"body_hex"`
			Plaintext         string      `json:"plaintext_json"`
			ResponseBase64    string      `json:"response_base64"`
			ResponsePlaintext string      `json:"response_plaintext"`
		} `json:"proxy_requests"`
	}
	vectors.Load(t, "onion.json", &recorded)
	if len(recorded.Requests) == 0 {
		t.Skip("the recording has no proxy requests")
	}
	for i, request := range recorded.Requests {
		keys := x25519.NewKeyPair(request.Target.Private.Array32(t))
		opened, err := OpenProxy(keys, request.Headers[ProxySenderHeader], request.Body)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		var inside struct {
			Body    string
			Headers map[string]any
		}
		if err := json.Unmarshal([]byte(request.Plaintext), &inside); err != nil {
			t.Fatal(err)
		}
		_, pause := inside.Headers[proxyPause]
		if string(opened.Payload) != inside.Body || opened.Pause != pause {
			t.Errorf("request %d opens to %q, pause %v", i, opened.Payload, opened.Pause)
		}
		block, err := aes.NewCipher(request.Secret)
		if err != nil {
			t.Fatal(err)
		}
		got := sealCBC(block, [aes.BlockSize]byte(request.Body), []byte(request.Plaintext))
		if !bytes.Equal(got, request.Body) {
			t.Errorf("request %d is made as %x", i, got)
		}
		// With the recorded IV, SealResponse makes the recorded response.
		sealed, err := base64.StdEncoding.DecodeString(request.ResponseBase64)
		if err != nil {
			t.Fatal(err)
		}
		plaintext, ok := opened.open(sealed)
		if !ok {
			t.Fatalf("response %d does not open", i)
		}
		var response struct {
			Body   string
			Status int
		}
		if err := json.Unmarshal(plaintext, &response); err != nil {
			t.Fatal(err)
		}
		again, err := opened.SealResponse(bytes.NewReader(sealed[:aes.BlockSize]), response.Status, response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(again); got != request.ResponseBase64 {
			t.Errorf("response %d is made as %s, want %s", i, got, request.ResponseBase64)
		}
	}
}

// Every error inside a proxy request is the same error, and the response can be encrypted.
func TestOpenProxyRefuses(t *testing.T) {
	random := testRandom(t)
	n, sender := newNode(t, random), newNode(t, random)
	secret, err := n.keys.DH(sender.keys.Public)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		t.Fatal(err)
	}
	good := sealCBC(block, [aes.BlockSize]byte{}, []byte(`{"body":"x","headers":{"X-Loki-Long-Poll":true}}`))
	key := sender.keys.Public.String()
	if p, err := OpenProxy(n.keys, key, good); err != nil || string(p.Payload) != "x" || !p.Pause {
		t.Fatalf("%v, %v", p, err)
	}
	for name, body := range map[string][]byte{
		"empty":          nil,
		"vector alone":   good[:aes.BlockSize],
		"cut off":        good[:len(good)-1],
		"bad padding":    append(good[:len(good)-1:len(good)-1], good[len(good)-1]^1),
		"other block":    append(bytes.Repeat([]byte{1}, aes.BlockSize), good[aes.BlockSize:]...),
		"no JSON":        sealCBC(block, [aes.BlockSize]byte{}, []byte("x")),
		"no body":        sealCBC(block, [aes.BlockSize]byte{}, []byte("{}")),
		"body no string": sealCBC(block, [aes.BlockSize]byte{}, []byte(`{"body":{}}`)),
	} {
		p, err := OpenProxy(n.keys, key, body)
		if !errors.Is(err, ErrProxy) || err.Error() != ErrProxy.Error() || p == nil {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	for name, key := range map[string]string{"no key": "", "not hex": strings.Repeat("z", 64),
		"low order": strings.Repeat("0", 64)} {
		if p, err := OpenProxy(n.keys, key, good); p != nil || !errors.Is(err, ErrProxy) {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	p, err := OpenProxy(n.keys, key, good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.SealResponse(random, 200, "\xff"); !errors.Is(err, ErrNotText) {
		t.Errorf("an answer that is no text: %v", err)
	}
	if _, err := p.SealResponse(bytes.NewReader(nil), 200, ""); err == nil {
		t.Error("an answer was sealed without randomness")
	}
}

// FuzzOpenProxy posts any bytes to a node, plain and encrypted for it. It must not panic.
func FuzzOpenProxy(f *testing.F) {
	random := testRandom(f)
	n, sender := newNode(f, random), newNode(f, random)
	secret, err := n.keys.DH(sender.keys.Public)
	if err != nil {
		f.Fatal(err)
	}
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"body":"{}","headers":{"X-Loki-Long-Poll":true}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, body := range [][]byte{text, sealCBC(block, [aes.BlockSize]byte{}, text)} {
			p, err := OpenProxy(n.keys, sender.keys.Public.String(), body)
			if p == nil || err == nil && p.Payload == nil {
				t.Fatalf("%v, %v", p, err)
			}
		}
	})
}
