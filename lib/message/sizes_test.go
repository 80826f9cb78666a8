package message

import (
	"strings"
	"testing"
)

// The padding of session-v1 ends at a multiple of 160 bytes, and there is always room for the mark and one byte more.
func TestPadV1Sizes(t *testing.T) {
	for size, want := range map[int]int{0: 160, 1: 160, 158: 160, 159: 320, 160: 320, 318: 320, 319: 480, 320: 480} {
		if got := len(PadV1(make([]byte, size))); got != want {
			t.Errorf("%d bytes are padded to %d, want %d", size, got, want)
		}
	}
}

// A name and an address of the greatest length are taken whole.
func TestGreatestLengths(t *testing.T) {
	name := strings.Repeat("n", MaxDisplayNameBytes)
	content := Text("hi", name, nil)
	online := Online{Reachable: true, Address: strings.Repeat("a", MaxAddressBytes), Port: 1}
	content.Extension = &Extension{Status: &online}
	got, err := Parse(content.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	if data := got.Body.(Data); data.DisplayName != name {
		t.Errorf("a name of %d bytes", len(data.DisplayName))
	}
	if got.Extension == nil || got.Extension.Status == nil || *got.Extension.Status != online {
		t.Errorf("the status is %+v", got.Extension)
	}
}
