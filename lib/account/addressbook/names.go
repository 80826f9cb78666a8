package addressbook

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxNameChars is the length of the longest name in characters.
const MaxNameChars = 64

// idLikeChars is the length from which a word of hex digits looks like a part of a Session ID or of a request's id.
const idLikeChars = 8

// ErrName reports a text that cannot be a name.
var ErrName = errors.New("not a name for a contact")

// CheckName returns an error that wraps [ErrName] unless a text can be a name: letters and digits, with - and _ between
// them, at most [MaxNameChars]. All its letters are of one script, so that no name looks like another one because of
// foreign letters. There are no combining marks, no full-width letters and no conjoining jamo, so each name has one
// spelling in Unicode. A word of hex digits that could be a part of a Session ID is no name, and neither is a name with
// a dot or an @, as the name services of other programs have.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", ErrName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: it is not UTF-8", ErrName)
	case strings.Trim(name, "-_") != name:
		return fmt.Errorf("%w: %q does not begin and end with a letter or a digit", ErrName, name)
	case LooksLikeID(name):
		return fmt.Errorf("%w: %.80q looks like a part of a Session ID", ErrName, name)
	case utf8.RuneCountInString(name) > MaxNameChars:
		return fmt.Errorf("%w: it has more than %d characters", ErrName, MaxNameChars)
	}
	var script string
	for _, r := range name {
		switch {
		case r == '-', r == '_', r >= '0' && r <= '9':
			continue
		case !unicode.IsLetter(r) || unusual(r):
			return fmt.Errorf("%w: %q has a character that is no letter, no digit 0-9, - or _", ErrName, name)
		}
		found := scriptOf(r)
		if found == "" || script != "" && found != script {
			return fmt.Errorf("%w: %q has letters of more than one script", ErrName, name)
		}
		script = found
	}
	return nil
}

// LooksLikeID reports whether a text can be meant as a Session ID, whole or in part: hex digits alone, eight or more of
// them or after 05.
func LooksLikeID(text string) bool {
	hex := strings.Trim(text, "0123456789abcdefABCDEF") == ""
	return hex && (len(text) >= idLikeChars || strings.HasPrefix(text, "05"))
}

// unusual reports letters that stand for other ones: full-width and half-width forms, and parts of Hangul syllables.
func unusual(r rune) bool {
	return r >= 0xff00 && r <= 0xffef || r >= 0x1100 && r <= 0x11ff || r >= 0xa960 && r <= 0xa97f ||
		r >= 0xd7b0 && r <= 0xd7ff || r >= 0x3130 && r <= 0x318f || r >= 0xf900 && r <= 0xfaff ||
		r >= 0x2f800 && r <= 0x2fa1f
}

// japanese is the name under which scriptOf puts the scripts that Japanese and Chinese mix.
const japanese = "Han"

// scriptOf returns the name of a letter's script, empty if the letter belongs to several.
func scriptOf(r rune) string {
	if r < utf8.RuneSelf || unicode.Is(unicode.Latin, r) {
		return "Latin"
	}
	if r == 'ー' || unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) {
		return japanese
	}
	for name, table := range unicode.Scripts {
		if name != "Common" && name != "Inherited" && unicode.Is(table, r) {
			return name
		}
	}
	return ""
}

// Fold writes a name as it is compared: without regard to case.
func Fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return unicode.ToLower(least)
	}, name)
}
