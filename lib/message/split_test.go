package message

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

var numbered = regexp.MustCompile(`^\((\d+)/(\d+)\) `)

// family is one grapheme of seven code points and eleven UTF-16 code units.
const family = "👨‍👩‍👧‍👦"

// checkParts checks that parts are short enough for every phone, numbered, and make up the text. It returns them without
// numbers.
func checkParts(t testing.TB, text string, parts []string) (bare []string) {
	t.Helper()
	for i, part := range parts {
		if Length(part) > PhoneChars || !utf8.ValidString(part) {
			t.Fatalf("part %d has %d characters", i+1, Length(part))
		}
		if len(parts) > 1 {
			number := numbered.FindString(part)
			if number != fmt.Sprintf("(%d/%d) ", i+1, len(parts)) {
				t.Fatalf("part %d begins with %q", i+1, number)
			}
			part = strings.TrimPrefix(part, number)
		}
		bare = append(bare, part)
	}
	if strings.Join(bare, "") != text {
		t.Fatal("the parts do not make up the text")
	}
	return bare
}

// A text of 2 000 characters is whole; 2 001 and 10 001 in any script are parts.
func TestSplit(t *testing.T) {
	for name, char := range map[string]string{"ASCII": "x", "CJK": "漢", "emoji": "😀"} {
		width := Length(char)
		for _, test := range []struct{ chars, parts int }{
			{2000 / width, 1}, {2000/width + 1, 2}, {2001, 1 + 2001*width/2000}, {10001, 1 + 10001*width/1994},
		} {
			text := strings.Repeat(char, test.chars)
			parts, err := Split(text)
			if err != nil || len(parts) != test.parts {
				t.Errorf("%s: %d characters are %d parts, %v", name, test.chars, len(parts), err)
			}
			checkParts(t, text, parts)
		}
	}
	if _, err := Split(strings.Repeat("x", PhoneChars*MaxParts)); !errors.Is(err, ErrTooLong) {
		t.Errorf("a text of more than %d parts: %v", MaxParts, err)
	}
	for char, want := range map[string]int{"x": 1, "\uffff": 1, "\U00010000": 2, "": 0} {
		if got := Length(char); got != want {
			t.Errorf("%+q has %d code units", char, got)
		}
	}
	if parts, err := Split(strings.Repeat("x", 1990*MaxParts)); err != nil || len(parts) != MaxParts {
		t.Errorf("a text of %d parts: %d, %v", MaxParts, len(parts), err)
	}
	for _, char := range []string{"x", "\uffff"} { // the last code point of one UTF-16 code unit
		whole := strings.Repeat(char, 2*1994) // what two parts hold beside their numbers
		if parts, err := Split(whole); err != nil || len(parts) != 2 {
			t.Errorf("two full parts of %q are %d, %v", char, len(parts), err)
		}
	}
	text := strings.Repeat("x", 30_000) // the numbers take two digits
	parts, err := Split(text)
	if err != nil || !strings.HasPrefix(parts[0], "(1/16) ") {
		t.Errorf("%.10q, %v", parts[0], err)
	}
	checkParts(t, text, parts)
}

// Parts end where a reader would end them: after a line, after a word, and never within a grapheme.
func TestSplitPlaces(t *testing.T) {
	for name, test := range map[string]struct{ text, end string }{
		"line":        {strings.Repeat("x", 1200) + "\n" + strings.Repeat("y ", 600), "x\n"},
		"word":        {strings.Repeat("word ", 500), "word "},
		"early line":  {"x\n" + strings.Repeat("y", 2500), "y"},
		"half a part": {strings.Repeat("x", 1994/2-1) + "\n" + strings.Repeat("y", 2500), "y"},
		"after half":  {strings.Repeat("x", 1994/2) + "\n" + strings.Repeat("y", 2500), "\n"},
		"family":      {strings.Repeat(family, 300), family},
		"flags":       {"x" + strings.Repeat("🇩🇪", 700), "🇩🇪"},
		"accent":      {strings.Repeat("e\u0301", 1500), "e\u0301"},
		"skin":        {strings.Repeat("👍🏽", 700), "👍🏽"},
		"keycap":      {"x" + strings.Repeat("1\ufe0f\u20e3", 700), "1\ufe0f\u20e3"},
		"syllables":   {strings.Repeat("\u1112\u1161\u11ab", 800), "\u1112\u1161\u11ab"},
		"windows":     {"x" + strings.Repeat("\r\n", 1300), "\r\n"},
		"long accent": {"e" + strings.Repeat("\u0301", 3000), "\u0301"},
		"england":     {strings.Repeat("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", 200), "\U000e007f"},
	} {
		parts, err := Split(test.text)
		if err != nil {
			t.Fatal(err)
		}
		bare := checkParts(t, test.text, parts)
		if len(bare) < 2 || !strings.HasSuffix(bare[0], test.end) {
			t.Errorf("%s: the first part ends with %q", name, bare[0][max(0, len(bare[0])-12):])
		}
		if next := bare[1]; name != "long accent" && joined(bare[0]+next, len(bare[0])) {
			t.Errorf("%s: cut within a grapheme", name)
		}
	}
}

// The first and the last code point of each range that belongs to a grapheme, and their neighbours, which do not.
func TestJoined(t *testing.T) {
	for _, test := range []struct {
		before, after string
		want          bool
	}{
		{"x", "y", false}, {"\r", "\n", true}, {"\n", "\r", false},
		{"x", "\u115f", false}, {"x", "\u1160", true}, {"x", "\u11ff", true}, {"x", "\u1200", false},
		{"\u05ff", "1", false}, {"\u0600", "1", true}, {"\u0605", "1", true}, {"\u0606", "1", false},
		{"x", "\U0001f3fa", false}, {"x", "\U0001f3fb", true}, {"x", "\U0001f3ff", true}, {"x", "\U0001f400", false},
		{"x", "\U000e001f", false}, {"x", "\U000e0020", true}, {"x", "\U000e007f", true}, {"x", "\U000e0080", false},
		{"\U0001f1e5", "🇦", false}, {"🇦", "🇿", true}, {"🇿", "🇦", true}, {"🇿", "\U0001f200", false},
		{"🇦🇿", "🇿", false}, {"🇦🇿🇦", "🇿", true}, {"x🇦", "🇿", true},
	} {
		if got := joined(test.before+test.after, len(test.before)); got != test.want {
			t.Errorf("%+q and %+q: %v", test.before, test.after, got)
		}
	}
}

// Any text is cut into parts that make it up again.
func FuzzSplit(f *testing.F) {
	f.Add("hello", 900)
	f.Add(family, 400)
	f.Add("a\u0301 \r\n🇩🇪", 500)
	f.Fuzz(func(t *testing.T, text string, times int) {
		if !utf8.ValidString(text) || len(text) > 200 {
			return
		}
		whole := strings.Repeat(text, max(0, min(times, 2000)))
		parts, err := Split(whole)
		if err != nil {
			t.Fatal(err)
		}
		if whole != "" {
			checkParts(t, whole, parts)
		}
	})
}
