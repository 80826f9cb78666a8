package tracecmd

import (
	"strings"
	"testing"

	"sessiontool/lib/trace"
)

// A text stands for the one name of the journal that begins with it.
func TestBeginningOfAName(t *testing.T) {
	hash := strings.Repeat("0a", 64)
	f := &follower{journal: []trace.Trace{
		{ID: trace.ID{1, 2, 3, 4, 5}, Spans: []trace.Span{{Attrs: []trace.Attr{trace.String(trace.KeyHash, hash)}}}},
		{ID: trace.ID{9}, Spans: []trace.Span{{Events: []trace.Event{
			{Name: trace.EventMessage, Attrs: []trace.Attr{trace.String("id", "abcdefgh1"), trace.String(trace.KeyHash, hash)}},
			{Name: trace.EventMessage, Attrs: []trace.Attr{trace.String("id", "abcdefgh2")}},
			{Name: trace.EventGives, Attrs: []trace.Attr{trace.String("id", "no name of a message")}},
		}}}},
	}}
	for text, want := range map[string]string{
		hash: hash, hash[:8]: hash, hash[:127]: hash, hash[:7]: hash[:7], "": "",
		"0102030405": trace.ID{1, 2, 3, 4, 5}.String(), "abcdefgh1": "abcdefgh1", "unknown-name": "unknown-name",
		"no name of": "no name of", strings.Repeat("0b", 64): strings.Repeat("0b", 64),
	} {
		if got, err := f.whole(text); err != nil || got != want {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
	if _, err := f.whole("abcdefgh"); err == nil || !strings.Contains(err.Error(), "abcdefgh1, abcdefgh2") {
		t.Errorf("the beginning of two names: %v", err)
	}
}
