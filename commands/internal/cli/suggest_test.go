package cli

import (
	"slices"
	"testing"
)

func TestSuggest(t *testing.T) {
	words := []string{"send", "poll", "listen", "inbox", "identity", "contact", "friend-request", "keygen", "guide"}
	for wrong, want := range map[string][]string{
		"sned": {"send"}, "SEND": {"send"}, "pol": {"poll"}, "pool": {"poll"}, "contacts": {"contact"},
		"lis": {"listen"}, "freind-request": {"friend-request"}, "receive": {"poll"}, "whoami": {"identity"},
		"tea": nil, "x": nil, "": nil,
	} {
		if got := Suggest(wrong, words); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", wrong, got, want)
		}
	}
	if got := Suggest("con", []string{"contact", "config", "connect", "console"}); len(got) != maxSuggestions {
		t.Errorf("%q", got)
	}
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abd", 1}, {"abc", "acb", 1}, {"kitten", "sitting", 3}} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
