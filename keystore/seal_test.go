package keystore

import (
	"bytes"
	"errors"
	"testing"
)

// A label depends on each part and on where the part ends.
func TestLabel(t *testing.T) {
	k := newKeys(newSecret())
	labels := map[label]bool{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"", "ab"}, {"ab", ""}, {"b", "a"}} {
		labels[k.label(parts...)] = true
	}
	if len(labels) != 8 {
		t.Errorf("%d different labels of 8", len(labels))
	}
	if newKeys(newSecret()).label("ab") == k.label("ab") {
		t.Error("label does not depend on the key")
	}
}

func FuzzSplitNamed(f *testing.F) {
	f.Add(joinNamed("name", []byte("value")))
	f.Add([]byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, content []byte) {
		name, value, err := splitNamed(content)
		if err == nil && !bytes.Equal(joinNamed(name, value), content) {
			t.Errorf("%x became %q and %x", content, name, value)
		}
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("got error %v", err)
		}
	})
}
