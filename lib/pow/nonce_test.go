package pow_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"sessiontool/lib/pow"
)

func TestEncodeNonce(t *testing.T) {
	for nonce, want := range map[uint64]string{
		0:              "AAAAAAAAAAA=",
		0x560:          "AAAAAAAABWA=",
		math.MaxUint64: "//////////8=",
	} {
		if got := pow.EncodeNonce(nonce); got != want {
			t.Errorf("%x: got %s, want %s", nonce, got, want)
		}
	}
}

func TestDecodeNonceRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":          "",
		"no base64":        "!!!!",
		"3 bytes":          "AAA2",
		"7 bytes":          "AAAAAAAABQ==",
		"9 bytes":          "////////////",
		"no padding":       "AAAAAAAABWA",
		"stray bits":       "AAAAAAAABWB=",
		"line break":       "AAAAAAAABWA=\n",
		"break inside":     "AAAAA\nAABWA=",
		"URL alphabet":     "__________8=",
		"a very long text": strings.Repeat("A", 1<<16),
	} {
		if nonce, err := pow.DecodeNonce(text); !errors.Is(err, pow.ErrNonce) {
			t.Errorf("%s: got %x, %v", name, nonce, err)
		}
	}
}

// TestDecodeNonceLenient has texts that DecodeNonce refuses and the storage server accepts.
func TestDecodeNonceLenient(t *testing.T) {
	for text, want := range map[string][]byte{
		"":               {},
		"!!!!":           {},
		"====":           {},
		"A":              {},
		"AAA2":           {0, 0, 0x36},
		"AAA2\nAAA2":     {0, 0, 0x36},
		"/w":             {0xff},
		"/x==":           {0xff},
		"//8":            {0xff, 0xff},
		"AAAAAAAABWA=":   {0, 0, 0, 0, 0, 0, 5, 0x60},
		"AAAAAAAABWA":    {0, 0, 0, 0, 0, 0, 5, 0x60},
		"AAAAAAAABWA=//": {0, 0, 0, 0, 0, 0, 5, 0x60},
		"////////////":   bytes.Repeat([]byte{0xff}, 9),
		"____":           {},
		"AAé":            {0},
	} {
		if got := pow.DecodeNonceLenient(text); !bytes.Equal(got, want) {
			t.Errorf("%q: got %x, want %x", text, got, want)
		}
	}
}

func FuzzNonce(f *testing.F) {
	for _, text := range []string{"AAAAAAAABWA=", "AAAAAAAABWB=", "!!!!", "AAA2", "AAA2\r\nAAA2", "//8"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lenient := pow.DecodeNonceLenient(text)
		if strict, err := pow.DecodeNonce(text); err == nil {
			if again := pow.EncodeNonce(binary.BigEndian.Uint64(strict)); again != text {
				t.Errorf("%q became %q", text, again)
			}
			if !bytes.Equal(lenient, strict) {
				t.Errorf("%q: lenient %x, strict %x", text, lenient, strict)
			}
		}
		// The text must start with the encoding of the result, except for dropped bits.
		if whole := lenient[:len(lenient)/3*3]; !strings.HasPrefix(text, base64.StdEncoding.EncodeToString(whole)) {
			t.Errorf("%q was read as %x", text, lenient)
		}
	})
}
