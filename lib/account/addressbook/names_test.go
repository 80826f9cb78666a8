package addressbook

import (
	"errors"
	"strings"
	"testing"
)

// Names are words of one script in one spelling; what could be meant as an ID, and what looks like another name, is none.
func TestCheckName(t *testing.T) {
	for _, name := range []string{
		"a", "alice", "Alice-2", "ops_team", "Боб", "Ελένη", "太郎", "たろう", "ミナー", "한국", "שרה", "café", "deadbee",
		"2nd", strings.Repeat("x", MaxNameChars),
	} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for name, why := range map[string]string{
		"":                              "it is empty",
		"\xff":                          "not UTF-8",
		strings.Repeat("x", 65):         "more than 64 characters",
		"-alice":                        "begin and end",
		"alice_":                        "begin and end",
		"-":                             "begin and end",
		"deadbeef":                      "looks like",
		"05":                            "looks like",
		"05AB12":                        "looks like",
		"05" + strings.Repeat("ab", 32): "looks like",
		"12345678":                      "looks like",
		"alice.loki":                    "no letter",
		"alice@example":                 "no letter",
		"alice,bob":                     "no letter",
		"two words":                     "no letter",
		"a\u0301lice":                   "no letter", // a combining accent: the name has another spelling
		"\u1112\u1161\u11ab":            "no letter", // a syllable in parts
		"\uff41\uff4c":                  "no letter", // full width
		"a\u200blice":                   "no letter",
		"\u202ealice":                   "no letter",
		"p\u0430ypal":                   "more than one script", // a Cyrillic letter
		"\U0001d41a\U0001d41b":          "more than one script", // letters of mathematics, which have none
		"太郎x":                           "more than one script",
		"alice\u0000":                   "no letter",
		"\u0661\u0662":                  "no letter", // digits of another script
		"alice/bob":                     "no letter",
		"http:x":                        "no letter",
		"\u2126":                        "", // the Ohm sign is a Greek letter: it folds to one
	} {
		err := CheckName(name)
		if why == "" && err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if why != "" && (!errors.Is(err, ErrName) || !strings.Contains(err.Error(), why)) {
			t.Errorf("%q: %v, want %q", name, err, why)
		}
	}
}

// Case does not count, in any script and for letters with more than two forms.
func TestFold(t *testing.T) {
	for _, same := range [][]string{
		{"alice", "ALICE", "aLiCe"}, {"боб", "БОБ"}, {"σς", "ΣΣ"}, {"k", "K", "\u212a"}, {"ω", "Ω", "\u2126"},
		{"ǆ", "ǅ", "Ǆ"}, {"straße", "STRAẞE"},
	} {
		for _, name := range same {
			if Fold(name) != Fold(same[0]) {
				t.Errorf("%q and %q differ: %q, %q", name, same[0], Fold(name), Fold(same[0]))
			}
			if Fold(Fold(name)) != Fold(name) {
				t.Errorf("%q folds twice", name)
			}
		}
	}
	if Fold("alice") == Fold("alicé") {
		t.Error("accents do not count")
	}
}
