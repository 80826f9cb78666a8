package keystore

import (
	"bytes"
	"errors"
	"testing"
)

func TestSealIsRandomised(t *testing.T) {
	k := newKeys(newSecret())
	if bytes.Equal(k.seal([]byte("place"), []byte("value")), k.seal([]byte("place"), []byte("value"))) {
		t.Error("the same value was sealed to the same bytes twice")
	}
}

func TestOpenRefuses(t *testing.T) {
	k := newKeys(newSecret())
	place, sealed := []byte("place"), newKeys(k.data).seal([]byte("place"), []byte("value"))
	if value, err := k.open(place, sealed); err != nil || string(value) != "value" {
		t.Fatalf("got %q, error %v", value, err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"another key":   func() ([]byte, error) { return newKeys(newSecret()).open(place, sealed) },
		"another place": func() ([]byte, error) { return k.open([]byte("elsewhere"), sealed) },
		"nothing":       func() ([]byte, error) { return k.open(place, nil) },
		"cut":           func() ([]byte, error) { return k.open(place, sealed[:len(sealed)-1]) },
		"too long":      func() ([]byte, error) { return k.open(place, k.seal(place, make([]byte, maxSealedSize))) },
	} {
		if value, err := open(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %q, error %v", name, value, err)
		}
	}
}

// Each part of a label counts, and where it ends.
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

// Open accepts what seal makes, and nothing else.
func FuzzOpen(f *testing.F) {
	k := newKeys(secret{1})
	f.Add([]byte("place"), []byte("value"), k.seal([]byte("place"), []byte("value")))
	f.Add([]byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, place, value, sealed []byte) {
		opened, err := k.open(place, k.seal(place, value))
		if err != nil || !bytes.Equal(opened, value) {
			t.Errorf("%x became %x, error %v", value, opened, err)
		}
		if _, err := k.open(append(place, 0), sealed); !errors.Is(err, ErrCorrupt) {
			t.Errorf("opened %x: %v", sealed, err)
		}
	})
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
