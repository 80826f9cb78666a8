package mnemonic_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"sessiontool/lib/mnemonic"
	"sessiontool/lib/sessionid"
)

const words = "nostril ramped going eleven imitate adept also gauze frying online wrong rarest rarest"

var seed = sessionid.Seed{
	0x5b, 0x89, 0x1d, 0xa6, 0x70, 0x79, 0x17, 0x9b, 0x36, 0x52, 0x21, 0xfd, 0x44, 0x84, 0x7d, 0xb7,
}

func TestEncode(t *testing.T) {
	got := mnemonic.Encode(seed)
	if got != words {
		t.Errorf("got %q", got)
	}
	if n := len(strings.Fields(got)); n != mnemonic.WordCount {
		t.Errorf("got %d words", n)
	}
}

func TestDecode(t *testing.T) {
	for name, words := range map[string]string{
		"as written":        words,
		"a line of a file":  words + "\n",
		"on several lines":  "  " + strings.ReplaceAll(words, " ", "\r\n\t") + "  ",
		"three letters":     "nos ram goi ele imi ade als gau fry onl wro rar rar",
		"wrong word's ends": strings.ReplaceAll(words, "nostril", "nostalgia"),
	} {
		got, err := mnemonic.Decode(words)
		if err != nil || got != seed {
			t.Errorf("%s: got %x, %v", name, [16]byte(got), err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	const twelve = "nostril ramped going eleven imitate adept also gauze frying online wrong rarest"
	for name, test := range map[string]struct {
		words string
		want  error
	}{
		"nothing":            {"", mnemonic.ErrTooFewWords},
		"blanks":             {strings.Repeat(" ", 1000), mnemonic.ErrTooFewWords},
		"three words":        {"nostril ramped going", mnemonic.ErrTooFewWords},
		"no checksum":        {twelve, mnemonic.ErrMissingChecksum},
		"one word too many":  {words + " rarest", mnemonic.ErrTooFewWords},
		"two words too many": {words + " rarest rarest", mnemonic.ErrMissingChecksum},
		"a longer seed":      {encodeBytes(t, make([]byte, 32)), mnemonic.ErrTooManyWords},
		"a book":             {strings.Repeat("abbey ", 100000), mnemonic.ErrTooManyWords},
		"upper case":         {strings.ToUpper(words), mnemonic.ErrInvalidWord},
		"two letters":        {"no" + words[len("nostril"):], mnemonic.ErrInvalidWord},
		"words that no seed has": {
			"abbey abbey zoom " + words[len("nostril ramped going "):], mnemonic.ErrInvalidWord,
		},
		"one word wrong":      {strings.Replace(words, "going", "gauze", 1), mnemonic.ErrChecksum},
		"checksum wrong":      {twelve + " wrong", mnemonic.ErrChecksum},
		"checksum not a word": {twelve + " r", mnemonic.ErrChecksum},
		"checksum of another order": {strings.Replace(words, "nostril ramped going eleven imitate adept",
			"eleven imitate adept nostril ramped going", 1), mnemonic.ErrChecksum},
	} {
		got, err := mnemonic.Decode(test.words)
		if !errors.Is(err, test.want) || got != (sessionid.Seed{}) {
			t.Errorf("%s: got %x, %v, want %v", name, [16]byte(got), err, test.want)
		}
	}
}

// TestInvalidWordIsNotQuoted: a mistyped word reveals most of a secret word.
func TestInvalidWordIsNotQuoted(t *testing.T) {
	_, err := mnemonic.Decode(strings.Replace(words, "adept", "ydept", 1))
	if !errors.Is(err, mnemonic.ErrInvalidWord) || strings.Contains(err.Error(), "dept") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(err.Error(), "number 6 ") {
		t.Errorf("position is missing: %v", err)
	}
	_, err = mnemonic.Decode("nostril ramped going abbey abbey zoom " + words[len("nostril ramped going eleven imitate adept "):])
	if !errors.Is(err, mnemonic.ErrInvalidWord) || !strings.Contains(err.Error(), "numbers 4 to 6 ") {
		t.Errorf("three words that do not occur together: %v", err)
	}
}

func TestSeedSizes(t *testing.T) {
	for size := range 80 {
		seed := bytes.Repeat([]byte{0xa5}, size)
		words, err := mnemonic.EncodeBytes(seed)
		if size%4 != 0 || size < 16 || size > 64 {
			if !errors.Is(err, mnemonic.ErrSeedSize) {
				t.Errorf("%d bytes: got %v", size, err)
			}
			continue
		}
		if got := len(strings.Fields(words)); got != size/4*3+1 {
			t.Errorf("%d bytes: got %d words", size, got)
		}
		if got, err := mnemonic.DecodeBytes(words); err != nil || !bytes.Equal(got, seed) {
			t.Errorf("%d bytes: got %x, %v", size, got, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(words)
	f.Add("nos ram goi ele imi ade als gau fry onl wro rar rar\n")
	f.Add(strings.Repeat("zoom ", 25))
	f.Add("abbey abbey zoom abbey abbey zoom abbey abbey zoom abbey abbey zoom abbey")
	f.Fuzz(func(t *testing.T, text string) {
		seed, err := mnemonic.DecodeBytes(text)
		whole, wholeErr := mnemonic.Decode(text)
		if wholeErr == nil && (err != nil || string(whole[:]) != string(seed)) {
			t.Errorf("the seed of %q is %x (%v) as bytes", text, seed, err)
		}
		if err != nil {
			return
		}
		given, again := strings.Fields(text), strings.Fields(encodeBytes(t, seed))
		if len(given) != len(again) {
			t.Fatalf("%d words became %d", len(given), len(again))
		}
		for i := range given {
			if !strings.HasPrefix(given[i], again[i][:3]) {
				t.Errorf("word %d became %q", i+1, again[i])
			}
		}
	})
}

func FuzzEncode(f *testing.F) {
	f.Add(seed[:])
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, seed []byte) {
		words, err := mnemonic.EncodeBytes(seed)
		if err != nil {
			return
		}
		if got, err := mnemonic.DecodeBytes(words); err != nil || !bytes.Equal(got, seed) {
			t.Errorf("seed %x came back as %x, %v", seed, got, err)
		}
	})
}

func encodeBytes(t *testing.T, seed []byte) string {
	t.Helper()
	words, err := mnemonic.EncodeBytes(seed)
	if err != nil {
		t.Fatal(err)
	}
	return words
}
