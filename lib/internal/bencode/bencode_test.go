package bencode

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestFindMovesForwardOnly(t *testing.T) {
	d := Open([]byte("d1:a1:x1:ci7e1:e0:e"))
	if d.Find("b") {
		t.Error("found b")
	}
	if !d.Find("c") || d.Int("c") != 7 {
		t.Error("c is not 7")
	}
	if d.Find("a") {
		t.Error("found a behind the cursor")
	}
	if got := d.Bytes("e"); got == nil || len(got) != 0 {
		t.Errorf("e is %q", got)
	}
	if err := d.Finish(); err != nil {
		t.Error(err)
	}
}

// Texts that the real reader accepts and no writer makes.
func TestTolerances(t *testing.T) {
	for name, text := range map[string]string{
		"unknown keys around":      "d0:i1e1:K1:x1:Sle1:c1:y1:d1:z1:e1:z1:~1:se",
		"unsorted unknown keys":    "d1:c1:y1:z0:1:d0:1:~1:se",
		"second c":                 "d1:c1:y1:c1:n1:~1:se",
		"second signature":         "d1:c1:y1:~1:s1:~1:te",
		"leading zeros":            "d01:c0001:y1:~01:se",
		"nested unknown value":     "d1:bd1:xli-5elee0:dee1:c1:y1:~1:se",
		"great unsigned unknown":   "d1:bi18446744073709551615e1:c1:y1:~1:se",
		"unsorted keys at the end": "d1:c1:y1:~1:s1:b1:v1:a1:we",
	} {
		d := Open([]byte(text))
		c, before, signature := string(d.Bytes("c")), d.Before("~"), string(d.Bytes("~"))
		if err := d.Finish(); err != nil || c != "y" || signature != "s" {
			t.Errorf("%s: %q, %q, %v", name, c, signature, err)
		}
		if want, _, _ := strings.Cut(text, "1:~"); string(before) != strings.TrimSuffix(want, "0") {
			t.Errorf("%s: signed text %q", name, before)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, text := range []string{
		"", "x", "i1e", "le", "d", "d1:c1:y", "d1:c1:y1:~1:s", "d1:c1:y1:~1:sex", "d1:c1:y1:~1:see", "d1:~1:s1:c1:ye",
		"d1:ci1e1:~1:se", "d1:c+1:y1:~1:se", "d1:c-1:y1:~1:se", "d1:c1y1:~1:se", "d1:c9:y1:~1:se", "d1:c:y1:~1:se",
		"d1:c18446744073709551616:y1:~1:se", "d1:c18446744073709551615:y1:~1:se", "d1:c1:y1:~e", "di1e1:y1:c1:y1:~1:se",
		"d1:bi-9223372036854775809e1:c1:y1:~1:se", "d1:bi--1e1:c1:y1:~1:se", "d1:bie1:c1:y1:~1:se",
		"d1:bi1:c1:y1:~1:se",
		"d1:bd1:xe1:c1:y1:~1:se", "d1:bl1:c1:y1:~1:se", "d1:bdi1ei1ee1:c1:y1:~1:se", "d1:be1:c1:y1:~1:se",
	} {
		d := Open([]byte(text))
		d.Bytes("c")
		d.Bytes("~")
		if err := d.Finish(); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSizedAlwaysHasItsSize(t *testing.T) {
	for _, text := range []string{"", "de", "d1:k3:abce", "d1:k5:abcdee", "d1:ki4ee"} {
		d := Open([]byte(text))
		if got := d.Sized("k", 4); len(got) != 4 || d.Err() == nil {
			t.Errorf("%q: %q, %v", text, got, d.Err())
		}
	}
	d := Open([]byte("d1:k4:abcde"))
	if got := d.Sized("k", 4); string(got) != "abcd" || d.Err() != nil {
		t.Errorf("%q, %v", got, d.Err())
	}
}

func TestIntegers(t *testing.T) {
	for _, number := range []int64{0, 1, -1, 42, math.MaxInt64, math.MinInt64} {
		got, err := Value(AppendInt(nil, number)).Int()
		if err != nil || got != number {
			t.Errorf("%d: %d, %v", number, got, err)
		}
	}
	for _, text := range []string{
		"", "1:x", "i9223372036854775808e", "i-9223372036854775809e", "i1ee", "i+1e", "i 1e", "i1",
	} {
		if _, err := Value(text).Int(); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestLists(t *testing.T) {
	values, err := Value("l1:xi5ed0:leee").List()
	if err != nil || len(values) != 3 || string(values[2]) != "d0:lee" {
		t.Errorf("%q, %v", values, err)
	}
	for _, text := range []string{"", "l", "lee", "l1:x", "d1:x1:ye", "lie", "lle"} {
		if _, err := Value(text).List(); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A text of a million nested values does not overflow the stack.
func TestDeepNesting(t *testing.T) {
	const depth = 1_000_000
	text := "d1:b" + strings.Repeat("l", depth) + strings.Repeat("e", depth) + "1:c1:ye"
	d := Open([]byte(text))
	if got := string(d.Bytes("c")); got != "y" || d.Finish() != nil {
		t.Errorf("%q, %v", got, d.Err())
	}
}

// FuzzDict: every accepted dict, encoded again from its keys and values, is accepted and has the same keys and values.
func FuzzDict(f *testing.F) {
	f.Add([]byte("d0:i1e1:K1:x1:Sle1:c1:y1:d1:z1:e1:z1:~1:se"))
	f.Add([]byte("d1:bd1:xli-5elee0:dee01:c0001:ye"))
	f.Add([]byte("d1:bi18446744073709551615ee"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d := Open(text)
		written, pairs := []byte("d"), 0
		for key, value := range d.All() {
			written = AppendBytes(written, []byte(key))
			if content, err := value.Bytes(); err == nil {
				written = AppendBytes(written, content)
			} else if number, err := value.Int(); err == nil {
				written = AppendInt(written, number)
			} else {
				written = append(written, value...)
			}
			pairs++
		}
		if d.Finish() != nil {
			return
		}
		written = append(written, 'e')
		if len(written) > len(text) {
			t.Fatalf("%q became the longer %q", text, written)
		}
		again := Open(written)
		rewritten := []byte("d")
		for key, value := range again.All() {
			rewritten = append(AppendBytes(rewritten, []byte(key)), value...)
			pairs--
		}
		if err := again.Finish(); err != nil || pairs != 0 || !bytes.Equal(append(rewritten, 'e'), written) {
			t.Fatalf("%q became %q: %v", text, written, err)
		}
	})
}

func ExampleDict() {
	text := AppendPair([]byte("d"), "c", []byte("content"))
	text = AppendPair(text, "~", []byte("signature"))
	text = append(text, 'e')

	d := Open(text)
	content := d.Bytes("c")
	signed := d.Before("~")
	signature := d.Bytes("~")
	if err := d.Finish(); err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%s signs %s with %s\n", content, signed, signature)
	// Output: content signs d1:c7:content with signature
}
