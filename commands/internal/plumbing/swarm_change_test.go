package plumbing

import (
	"strings"
	"testing"
)

func TestIsMessageHash(t *testing.T) {
	for name, want := range map[string]bool{
		strings.Repeat("0f", 64):           true, // of 2.0
		strings.Repeat("aZ0+/x9", 6) + "A": true, // of 2.8
		"":                                 false,
		strings.Repeat("0F", 64):           false,
		strings.Repeat("0f", 63):           false,
		strings.Repeat("0f", 63) + "0g":    false,
		strings.Repeat("a", 42):            false,
		strings.Repeat("a", 44):            false,
		strings.Repeat("a", 42) + "=":      false,
		strings.Repeat("a", 42) + "\n":     false,
		strings.Repeat("a", 42) + "-":      false,
	} {
		if got := isMessageHash(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
