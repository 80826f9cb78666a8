package human

import (
	"strings"
	"unicode"
)

// invisible are characters without a width of their own with which one name can look like another.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x00ad, Hi: 0x00ad, Stride: 1},
		{Lo: 0x180e, Hi: 0x180e, Stride: 1},
		{Lo: 0x200b, Hi: 0x200b, Stride: 1},
		{Lo: 0x2060, Hi: 0x2064, Stride: 1},
		{Lo: 0xfeff, Hi: 0xfeff, Stride: 1},
		{Lo: 0xfff9, Hi: 0xfffb, Stride: 1},
	},
	LatinOffset: 1,
}

// maxMarks is how many marks may stand on one letter: more of them cover other lines.
const maxMarks = 4

// Harmless returns a line of a stranger's text as it may be shown: everything is escaped on which a terminal acts, that
// changes the direction of text, or that hides in it, and marks that pile up on a letter are left out. A joiner stays,
// which emoji and some scripts need.
func Harmless(text string) string {
	text = escape(Visible(text), func(r rune) bool { return unicode.Is(invisible, r) })
	marks := 0
	return strings.Map(func(r rune) rune {
		if !unicode.In(r, unicode.Mn, unicode.Me) || r >= 0xfe00 && r <= 0xfe0f {
			marks = 0
			return r
		}
		if marks++; marks > maxMarks {
			return -1
		}
		return r
	}, text)
}

// wide are the characters that take two columns of a terminal: those of East Asian scripts, and emoji (Unicode 16,
// East Asian Width W and F).
var wide = &unicode.RangeTable{
	R16: pairs16(0x1100, 0x115f, 0x231a, 0x231b, 0x2329, 0x232a, 0x23e9, 0x23ec, 0x23f0, 0x23f0, 0x23f3, 0x23f3, 0x25fd,
		0x25fe, 0x2614, 0x2615, 0x2648, 0x2653, 0x267f, 0x267f, 0x2693, 0x2693, 0x26a1, 0x26a1, 0x26aa, 0x26ab, 0x26bd,
		0x26be, 0x26c4, 0x26c5, 0x26ce, 0x26ce, 0x26d4, 0x26d4, 0x26ea, 0x26ea, 0x26f2, 0x26f3, 0x26f5, 0x26f5, 0x26fa,
		0x26fa, 0x26fd, 0x26fd, 0x2705, 0x2705, 0x270a, 0x270b, 0x2728, 0x2728, 0x274c, 0x274c, 0x274e, 0x274e, 0x2753,
		0x2755, 0x2757, 0x2757, 0x2795, 0x2797, 0x27b0, 0x27b0, 0x27bf, 0x27bf, 0x2b1b, 0x2b1c, 0x2b50, 0x2b50, 0x2b55,
		0x2b55, 0x2e80, 0x303e, 0x3041, 0x4dbf, 0x4e00, 0xa4cf, 0xa960, 0xa97c, 0xac00, 0xd7a3, 0xf900, 0xfaff, 0xfe10,
		0xfe19, 0xfe30, 0xfe6f, 0xff01, 0xff60, 0xffe0, 0xffe6),
	R32: pairs32(0x16fe0, 0x16ff6, 0x17000, 0x18cff, 0x1aff0, 0x1b2fb, 0x1f004, 0x1f004, 0x1f0cf, 0x1f0cf, 0x1f18e,
		0x1f18e, 0x1f191, 0x1f19a, 0x1f200, 0x1f320, 0x1f32d, 0x1f335, 0x1f337, 0x1f37c, 0x1f37e, 0x1f393, 0x1f3a0,
		0x1f3ca, 0x1f3cf, 0x1f3d3, 0x1f3e0, 0x1f3f0, 0x1f3f4, 0x1f3f4, 0x1f3f8, 0x1f43e, 0x1f440, 0x1f440, 0x1f442,
		0x1f4fc, 0x1f4ff, 0x1f53d, 0x1f54b, 0x1f54e, 0x1f550, 0x1f567, 0x1f57a, 0x1f57a, 0x1f595, 0x1f596, 0x1f5a4,
		0x1f5a4, 0x1f5fb, 0x1f64f, 0x1f680, 0x1f6c5, 0x1f6cc, 0x1f6cc, 0x1f6d0, 0x1f6d2, 0x1f6d5, 0x1f6d7, 0x1f6dc,
		0x1f6df, 0x1f6eb, 0x1f6ec, 0x1f6f4, 0x1f6fc, 0x1f7e0, 0x1f7eb, 0x1f7f0, 0x1f7f0, 0x1f90c, 0x1f93a, 0x1f93c,
		0x1f945, 0x1f947, 0x1f9ff, 0x1fa70, 0x1faff, 0x20000, 0x3fffd),
}

func pairs16(bounds ...uint16) (ranges []unicode.Range16) {
	for i := 0; i < len(bounds); i += 2 {
		ranges = append(ranges, unicode.Range16{Lo: bounds[i], Hi: bounds[i+1], Stride: 1})
	}
	return ranges
}

func pairs32(bounds ...uint32) (ranges []unicode.Range32) {
	for i := 0; i < len(bounds); i += 2 {
		ranges = append(ranges, unicode.Range32{Lo: bounds[i], Hi: bounds[i+1], Stride: 1})
	}
	return ranges
}

const (
	joiner    = 0x200d
	emojiForm = 0xfe0f // makes the character before it an emoji, which is wide
	skinFirst = 0x1f3fb
	skinLast  = 0x1f3ff
)

// Width returns how many columns of a terminal a line takes. Emoji that are joined are one, and a flag is two letters.
func Width(text string) (columns int) {
	last, joined := 0, false
	for _, r := range text {
		width := 1
		switch {
		case r == joiner:
			joined = true
			continue
		case r == emojiForm:
			if last == 1 {
				columns++
			}
			last = 2
			continue
		case joined, r >= skinFirst && r <= skinLast && last == 2, unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
			joined = false
			continue
		case unicode.Is(wide, r):
			width = 2
		}
		columns += width
		last = width
	}
	return columns
}

// cut shortens a line to at most that many columns, with an ellipsis at its end.
func cut(text string, columns int) string {
	if Width(text) <= columns {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if Width(b.String()+string(r)) > columns-1 {
			break
		}
		b.WriteRune(r)
	}
	return b.String() + "…"
}

// pad fills a line up to that many columns.
func pad(text string, columns int) string {
	return text + strings.Repeat(" ", max(columns-Width(text), 0))
}
