package onion

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// The answers of storage servers take the short way, in both directions.
func TestPlainResponses(t *testing.T) {
	for _, body := range []string{"", "text\n", `{"messages":[{"data":"YQ==","hash":"a"}],"more":false}`, "a\\\tb~ "} {
		written, ok := appendPlain([]byte("before"), 200, body)
		want, err := marshalResponse(200, body)
		if !ok || err != nil || string(written) != "before"+string(want) || plainSize(body) != len(want) {
			t.Errorf("%q becomes %q, %v; want %q of %d bytes", body, written, ok, want, plainSize(body))
		}
		for _, padding := range []string{"", "   "} {
			got, ok := parsePlainResponse([]byte(string(want) + padding))
			if !ok || got != (Response{200, body}) {
				t.Errorf("%q is read as %+v, %v", want, got, ok)
			}
		}
	}
}

// What is unusual goes the long way.
func TestUnusualResponses(t *testing.T) {
	for _, body := range []string{"\x00", "\r", "\x7f", "ä", "\u2028", "a\xff"} {
		if written, ok := appendPlain([]byte("before"), 200, body); ok || string(written) != "before" {
			t.Errorf("%q becomes %q", body, written)
		}
	}
	if _, ok := appendPlain(nil, 99, ""); ok {
		t.Error("a status of two digits is taken")
	}
	for _, text := range []string{
		"", "{", `{"body":"`, `{"body":"a`, `{"body":"a\`, `{"body":"a\u0061","status":200}`, `{"body":"a\x","status":200}`,
		`{"body":"a","status":20}`, `{"body":"a","status":099}`, `{"body":"a","status":2000}`, `{"body":"a","status":2.0}`,
		`{"body":"a","status":200`, `{"body":"a","status":200},`, `{"body":"a","status":200,"body":"b"}`,
		`{"status":200,"body":"a"}`, `{"body":{},"status":200}`, "{\"body\":\"\n\",\"status\":200}",
		"{\"body\":\"\xff\",\"status\":200}",
	} {
		if got, ok := parsePlainResponse([]byte(text)); ok {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

// Whatever the short ways take, encoding/json reads and writes the same.
func FuzzPlainResponse(f *testing.F) {
	f.Add(`{"messages":[]}`, []byte(`{"body":"a\n\"","status":421}  `))
	f.Fuzz(func(t *testing.T, body string, text []byte) {
		if written, ok := appendPlain(nil, 200, body); ok {
			if want, err := marshalResponse(200, body); err != nil || !bytes.Equal(written, want) || plainSize(body) < len(want) {
				t.Errorf("%q becomes %q, want %q, %v", body, written, want, err)
			}
		}
		got, ok := parsePlainResponse(text)
		if !ok {
			return
		}
		var want struct {
			Body   *string
			Status json.Number
		}
		err := json.Unmarshal(text, &want)
		if err != nil || want.Body == nil || *want.Body != got.Body || want.Status.String() != strconv.Itoa(got.Status) {
			t.Errorf("%q is read as %+v, want %+v, %v", text, got, want, err)
		}
	})
}

// BenchmarkResponse is a page of a megabyte, sealed and opened.
func BenchmarkResponse(b *testing.B) {
	random := testRandom(b)
	n := newNode(b, random)
	request, err := Wrap(random, V2, nil, n.hop, []byte("{}"))
	if err != nil {
		b.Fatal(err)
	}
	layer, err := Open(V2, n.keys, request.Body)
	if err != nil {
		b.Fatal(err)
	}
	page := `{"messages":[` + strings.Repeat(`{"data":"`+strings.Repeat("YWJj", 250)+`","hash":"a"},`, 1000) + `{}]}`
	b.SetBytes(int64(len(page)))
	for b.Loop() {
		sealed, err := layer.SealResponse(random, 200, page)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := request.OpenResponse(sealed); err != nil {
			b.Fatal(err)
		}
	}
}
