package message

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PhoneChars is the longest text that every session-v1 client shows whole: some count graphemes, some code points and
// some UTF-16 code units, of which there are the most. Clients of accounts with Session Pro send and show 10 000.
const PhoneChars = 2000

// MaxParts is how many parts [Split] makes at most.
const MaxParts = 999

// Length returns the length of a text in UTF-16 code units.
func Length(text string) (units int) {
	for _, r := range text {
		units++
		if r > 0xffff {
			units++
		}
	}
	return units
}

// Split cuts a text into parts whose [Length] is at most PhoneChars with the number in front of them, such as "(2/3) ".
// Without the numbers the parts make up the text. It cuts after the last line break, or else the last space, in the
// second half of a part, or else between two graphemes; a grapheme that is longer than a part is cut between code
// points. A text that is short enough is one part without a number. The error of a text that makes more than MaxParts
// wraps [ErrTooLong].
func Split(text string) ([]string, error) {
	if Length(text) <= PhoneChars {
		return []string{text}, nil
	}
	for digits := 1; ; digits++ {
		room := PhoneChars - len("(/) ") - 2*digits
		parts := cut(text, room)
		if len(parts) > MaxParts {
			return nil, fmt.Errorf("%w: it makes %d parts, at most %d", ErrTooLong, len(parts), MaxParts)
		}
		if len(fmt.Sprint(len(parts))) > digits {
			continue
		}
		for i := range parts {
			parts[i] = fmt.Sprintf("(%d/%d) %s", i+1, len(parts), parts[i])
		}
		return parts, nil
	}
}

// cut cuts a text into parts of at most most UTF-16 code units.
func cut(text string, most int) (parts []string) {
	for len(text) > 0 {
		n := end(text, most)
		parts = append(parts, text[:n])
		text = text[n:]
	}
	return parts
}

// end returns where the first part of a text ends.
func end(text string, most int) int {
	var grapheme, space, line, last int // offsets of possible ends; last is that between code points
	units := 0
	half := most / 2
	for at, r := range text {
		if at > 0 && !joined(text, at) {
			grapheme = at
			before, _ := utf8.DecodeLastRuneInString(text[:at])
			switch {
			case units <= half:
			case before == '\n':
				line = at
			case unicode.IsSpace(before):
				space = at
			}
		}
		last = at
		units++
		if r > 0xffff {
			units++
		}
		if units > most {
			for _, at := range []int{line, space, grapheme, last} {
				if at > 0 {
					return at
				}
			}
		}
	}
	return len(text)
}

const (
	joiner      = '\u200d'
	keycap      = '\u20e3'
	firstFlag   = '\U0001f1e6'
	lastFlag    = '\U0001f1ff'
	firstTone   = '\U0001f3fb'
	lastTone    = '\U0001f3ff'
	firstTag    = '\U000e0020'
	lastTag     = '\U000e007f'
	firstJamoV  = '\u1160' // vowels and trailing consonants of Hangul
	lastJamoT   = '\u11ff'
	prependFrom = '\u0600' // Arabic number signs, which stand in front of digits
	prependTo   = '\u0605'
)

// joined reports whether the code points around an offset belong to one grapheme, in the way of Unicode's rules for
// grapheme clusters, with one simplification: what follows a joiner belongs to it, whether that is an emoji or not.
func joined(text string, at int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:at])
	after, _ := utf8.DecodeRuneInString(text[at:])
	switch {
	case before == '\r' && after == '\n', before == joiner, after == joiner, after == keycap,
		unicode.In(after, unicode.Mn, unicode.Me, unicode.Mc),
		after >= firstTone && after <= lastTone, after >= firstTag && after <= lastTag,
		after >= firstJamoV && after <= lastJamoT, before >= prependFrom && before <= prependTo:
		return true
	case isFlag(before) && isFlag(after):
		// Letters of flags make pairs from the left.
		letters := strings.TrimRightFunc(text[:at], isFlag)
		return utf8.RuneCountInString(text[len(letters):at])%2 == 1
	}
	return false
}

func isFlag(r rune) bool { return r >= firstFlag && r <= lastFlag }
