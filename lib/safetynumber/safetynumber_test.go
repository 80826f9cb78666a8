package safetynumber

import (
	"encoding/hex"
	"regexp"
	"strings"
	"testing"

	"sessiontool/lib/sessionid"
)

// The vector of Signal's own tests (libsignal, fingerprint version 1, whose digits are those of version 0): two phone
// numbers and their keys.
func TestVectorOfSignal(t *testing.T) {
	share := func(name, key string) string {
		t.Helper()
		raw, err := hex.DecodeString(key)
		if err != nil {
			t.Fatal(err)
		}
		return fingerprint(name, raw)
	}
	alice := share("+14152222222", "0506863bc66d02b40d27b8d49ca7c09e9239236f9d7d25d6fcca5ce13c7064d868")
	bob := share("+14153333333", "05f781b6fb32fed9ba1cf2de978d4d5da28dc34046ae814402b5c0dbd96fda907b")
	if got, want := alice+bob, "300354477692869396892869876765458257569162576843440918079131"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func id(t *testing.T, fill byte) sessionid.ID {
	t.Helper()
	parsed, err := sessionid.Parse("05" + strings.Repeat(hex.EncodeToString([]byte{fill}), 32))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestBothSeeTheSame(t *testing.T) {
	number := Of(id(t, 1), id(t, 2))
	if number != Of(id(t, 2), id(t, 1)) {
		t.Error("the two see different numbers")
	}
	if !regexp.MustCompile(`^(\d{5} ){11}\d{5}$`).MatchString(number) {
		t.Errorf("not 12 groups of 5 digits: %q", number)
	}
	if digits := strings.ReplaceAll(number, " ", ""); digits[:half] > digits[half:] {
		t.Errorf("the greater half is the first one: %s", number)
	}
	if number == Of(id(t, 1), id(t, 3)) || number == Of(id(t, 3), id(t, 2)) {
		t.Error("another person has the same number")
	}
}

func TestEqual(t *testing.T) {
	number := Of(id(t, 1), id(t, 2))
	for name, test := range map[string]struct {
		typed string
		want  bool
	}{
		"as shown":       {number, true},
		"without spaces": {strings.ReplaceAll(number, " ", ""), true},
		"on two lines":   {strings.Replace(number, " ", "\n  ", 6) + "\n", true},
		"one digit off":  {number[:len(number)-1] + string('0'+('9'-number[len(number)-1])), false},
		"half of it":     {number[:len(number)/2], false},
		"nothing":        {"", false},
	} {
		if got := Equal(number, test.typed); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
