package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"sessiontool/lib/record"
)

// readAll returns what a stream of items has: values as compact JSON, and "!LINE" for what is no JSON.
func readAll(t testing.TB, in io.Reader) (got []string) {
	t.Helper()
	stream := newItems(in)
	for {
		value, line, err := stream.next()
		switch {
		case errors.Is(err, io.EOF):
			return got
		case errors.Is(err, ErrBadInput):
			got = append(got, "!"+string(rune('0'+line%10)))
		case err != nil:
			t.Fatal(err)
		default:
			var compact bytes.Buffer // not decoded: 2e310 is JSON, but no float64
			if err := json.Compact(&compact, value); err != nil {
				t.Fatalf("an item is no JSON: %q", value)
			}
			got = append(got, compact.String())
		}
	}
}

func TestItems(t *testing.T) {
	for name, test := range map[string]struct {
		in   string
		want []string
	}{
		"nothing":             {"", nil},
		"white space":         {" \n\n\t\n", nil},
		"lines":               {"{\"a\":1}\n{\"a\":2}\n", []string{`{"a":1}`, `{"a":2}`}},
		"no newline at end":   {`{"a":1}`, []string{`{"a":1}`}},
		"several on a line":   {`{"a":1}{"a":2} "x" 3`, []string{`{"a":1}`, `{"a":2}`, `"x"`, `3`}},
		"spread over lines":   {"{\n  \"a\":\n 1\n}\n{\"a\":2}", []string{`{"a":1}`, `{"a":2}`}},
		"carriage returns":    {"{\"a\":1}\r\n{\"a\":2}\r\n", []string{`{"a":1}`, `{"a":2}`}},
		"not JSON":            {"{\"a\":1}\nhello\n{\"a\":2}\n", []string{`{"a":1}`, "!2", `{"a":2}`}},
		"cut off in a string": {"{\"a\":\"x\n{\"a\":2}\n", []string{"!1", `{"a":2}`}},
		"cut off in a value":  {"{\"a\":1\n{\"a\":2}\n", []string{"!1", `{"a":2}`}},
		"cut off at the end":  {"{\"a\":1}\n{\"a\":", []string{`{"a":1}`, "!2"}},
		"only garbage":        {"a\nb\nc", []string{"!1", "!2", "!3"}},
		"garbage behind":      {"{\"a\":1} oops\n{\"a\":2}\n", []string{`{"a":1}`, "!1", `{"a":2}`}},
		"broken and spread":   {"{\n \"a\": oops,\n \"b\": 2\n}\n{\"a\":2}\n", []string{"!1", `{"a":2}`}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := readAll(t, strings.NewReader(test.in)); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// Items arrive as soon as they are complete: a reader that is slow keeps nothing back.
func TestItemsAreNotHeldBack(t *testing.T) {
	in, out := io.Pipe()
	stream := newItems(in)
	for _, want := range []string{`{"a":1}`, `{"a":2}`} {
		go func() {
			if _, err := io.WriteString(out, want+"\n"); err != nil {
				t.Error(err)
			}
		}()
		if value, _, err := stream.next(); err != nil || string(value) != want {
			t.Fatalf("got %q, %v", value, err)
		}
	}
}

func TestItemsBoundOneValue(t *testing.T) {
	long := `{"a":"` + strings.Repeat("x", 2*maxItemBytes) + `"}`
	got := readAll(t, strings.NewReader(long+"\n{\"a\":2}\n"))
	if want := []string{"!1", `{"a":2}`}; !slices.Equal(got, want) {
		t.Errorf("got %d items %.80q, want %q", len(got), got, want)
	}
}

// A number that is JSON but beyond every Go number is bad input for a field, and does not end the stream.
func TestItemsWithHugeNumbers(t *testing.T) {
	if got := readAll(t, strings.NewReader("2e310\n{\"ttl\":1E700}\n3\n")); !slices.Equal(got,
		[]string{"2e310", `{"ttl":1E700}`, "3"}) {
		t.Errorf("read as %q", got)
	}
	for _, item := range []any{new(record.Draft), new(requestName), new(float64), new(uint64)} {
		if err := decodeItem([]byte(`2e310`), item, 1); !errors.Is(err, ErrBadInput) {
			t.Errorf("%T is read from 2e310: %v", item, err)
		}
	}
}

// A text that is not UTF-8 is refused, and not sent with other letters in it.
func TestItemsAreUTF8(t *testing.T) {
	var draft record.Draft
	if err := decodeItem([]byte("{\"text\":\"caf\xe9\"}"), &draft, 3); !errors.Is(err, ErrBadInput) {
		t.Errorf("read as %+v, %v", draft, err)
	}
	if err := decodeItem([]byte(`{"text":"café"}`), &draft, 3); err != nil || draft.Text != "café" {
		t.Errorf("read as %+v, %v", draft, err)
	}
}

func FuzzItems(f *testing.F) {
	for _, seed := range []string{"{\"a\":1}\n", "{\n\"a\"\n:1}{}", "x\n{\"a\":\"\n{}\n", "[\n", "\"\n\"\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		// Whatever comes before it, a good line behind an empty one is not lost.
		got := readAll(t, strings.NewReader(in+"\n\n{\"last\":true}\n"))
		for _, value := range got {
			for _, item := range []any{new(record.Draft), new(requestName), new(record.Network)} {
				if err := decodeItem([]byte(value), item, 1); err != nil && !errors.Is(err, ErrBadInput) {
					t.Errorf("%q: %v", value, err)
				}
			}
		}
		if n := len(got); n == 0 || got[n-1] != `{"last":true}` {
			t.Errorf("%q: read as %q", in, got)
		}
	})
}
