package storage

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// beside are members of an answer beside its list.
type beside struct {
	More bool   `json:"more"`
	T    int64  `json:"t"`
	Fork [2]int `json:"hf"`
}

// plainMessage is a message as the servers of 2020, of 2.8 and of this program write it.
var plainMessages = []string{
	`{"data":"YQ==","expiration":5,"hash":"a"}`,
	`{"data":"YQ==","expiration":5,"hash":"a","timestamp":3}`,
	`{"hash":"a","timestamp":123456789012345678,"expiration":0,"data":""}`,
}

// The answers of all servers take the short way.
func TestPlainPages(t *testing.T) {
	for _, message := range plainMessages {
		for count := range 4 {
			list := strings.TrimSuffix(strings.Repeat(message+",", count), ",")
			for _, body := range []string{
				`{"messages":[` + list + `]}`,
				`{"messages":[` + list + `],"more":true,"t":7,"hf":[1,2]}`,
				`{"hf":[1,2],"messages":[` + list + `],"more":true,"t":7}`,
			} {
				var in beside
				messages, beyond, ok := parsePlain(body, 2, &in)
				if !ok || len(messages) != min(count, 2) || beyond != (count > 2) {
					t.Errorf("%s: %v, %v, %v", body, messages, beyond, ok)
				}
				if strings.Contains(body, "more") && in != (beside{true, 7, [2]int{1, 2}}) {
					t.Errorf("%s: beside the list is %+v", body, in)
				}
			}
		}
	}
}

// What is unusual goes the long way, which decides.
func TestUnusualPages(t *testing.T) {
	const message = `{"data":"YQ==","expiration":5,"hash":"a"}`
	for _, body := range []string{
		"", "{}", "[]", `{"messages":null}`, `{"messages":[`, `{"messages":[]`, `{"messages":[],}`,
		`{"messages": [` + message + `]}`, `{"messages":[` + message + `],"messages":[]}`,
		`{"messages":[` + message + `],"Messages":[]}`, `{"x":{"messages":[` + message + `]}}`,
		`{"x":"\"messages\":[","messages":[]}`, `{"x":"{","messages":[` + message + `]}`,
		`{"messages":[` + message + message + `]}`, `{"messages":[,` + message + `]}`,
		`{"messages":[` + message + `,]}`, `{"messages":[{"hash":""}]}`, `{"messages":[{"hash":"a","hash":"b"}]}`,
		`{"messages":[{"Hash":"a"}]}`, `{"messages":[{"hash":"\u0061"}]}`, `{"messages":[{"hash":"ä"}]}`,
		"{\"messages\":[{\"hash\":\"a\n\"}]}", `{"messages":[{"hash":"a","expiration":05}]}`,
		`{"messages":[{"hash":"a","expiration":-5}]}`, `{"messages":[{"hash":"a","expiration":1234567890123456789}]}`,
		`{"messages":[{"hash":"a","expiration":}]}`, `{"messages":[{"hash":"a","expiration":5.0}]}`,
		`{"messages":[{"hash":"a","other":5}]}`, `{"messages":[{"hash":"a"}],"more":5}`,
	} {
		var in beside
		if messages, _, ok := parsePlain(body, 2, &in); ok {
			t.Errorf("%s: the short way gives %v", body, messages)
		}
	}
}

// Whatever the short way takes, the long way gives the same.
func FuzzParsePage(f *testing.F) {
	for _, message := range plainMessages {
		f.Add(`{"messages":[`+message+`],"more":true,"t":7,"hf":[1,2]}`, uint8(1))
		f.Add(`{"hf":[1,2],"messages":[`+message+`,`+message+`]}`, uint8(1))
	}
	f.Add(`{"messages":[{"hash":"a"}],"messages":[]}`, uint8(2))
	f.Fuzz(func(t *testing.T, body string, limit uint8) {
		var short, long beside
		messages, beyond, ok := parsePlain(body, int(limit), &short)
		if !ok {
			return
		}
		want, wantBeyond, err := parsePage(body, int(limit), &long)
		if err != nil || !slices.Equal(messages, want) || beyond != wantBeyond || short != long {
			t.Errorf("%s: %v, %v, %+v; want %v, %v, %+v, %v", body, messages, beyond, short, want, wantBeyond, long, err)
		}
	})
}

func BenchmarkParsePage(b *testing.B) {
	var list strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&list, `{"data":%q,"expiration":1700000000000,"hash":%q,"timestamp":1700000000000},`,
			strings.Repeat("YWJj", 250), fmt.Sprintf("%043d", i))
	}
	body := `{"messages":[` + strings.TrimSuffix(list.String(), ",") + `],"more":true,"t":7,"hf":[1,2]}`
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, _, err := ParsePage(body, MaxPage, nil); err != nil {
			b.Fatal(err)
		}
	}
}
