package human

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// hidden are the characters on which a terminal acts instead of showing them, beyond those that JSON always escapes:
// DEL, the C1 controls (U+009B starts a command like ESC [), line separators, and characters that change the direction
// of text.
var hidden = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x007f, Hi: 0x009f, Stride: 1},
		{Lo: 0x061c, Hi: 0x061c, Stride: 1},
		{Lo: 0x200e, Hi: 0x200f, Stride: 1},
		{Lo: 0x2028, Hi: 0x202e, Stride: 1}, // two separators of lines, then directions
		{Lo: 0x2066, Hi: 0x2069, Stride: 1},
	},
	LatinOffset: 1,
}

// Visible returns text with every control character, line feeds among them, and every character that changes the
// direction of text escaped as in JSON. It replaces what is not UTF-8 by U+FFFD.
func Visible(text string) string {
	return escape(strings.ToValidUTF8(text, string(utf8.RuneError)), func(r rune) bool {
		return r < ' ' || unicode.Is(hidden, r)
	})
}

// EscapeHidden escapes the hidden characters of JSON, and of lines of the log. JSON stays the same value.
func EscapeHidden(text string) string {
	return escape(text, func(r rune) bool { return unicode.Is(hidden, r) })
}

// shortEscapes are the escapes of JSON that are shorter than \u and four digits.
var shortEscapes = map[rune]string{'\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}

// escape escapes the runes for which must returns true. None of them is beyond U+FFFF.
func escape(text string, must func(rune) bool) string {
	if !strings.ContainsFunc(text, must) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		short, isShort := shortEscapes[r]
		switch {
		case !must(r):
			b.WriteString(text[i : i+size])
		case isShort:
			b.WriteString(short)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += size
	}
	return b.String()
}
