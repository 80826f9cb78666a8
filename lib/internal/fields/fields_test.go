package fields

import (
	"bytes"
	"testing"
)

func TestFieldsStandInTheOrderOfTheCalls(t *testing.T) {
	b := AppendBytes(nil, 5, "ab")
	b = AppendVarint(b, 1, 0)
	b = AppendBytes(b, 101, []byte{})
	b = AppendVarint(b, 2, 300)
	want := []byte{5<<3 | 2, 2, 'a', 'b', 1 << 3, 0, 101<<3&0x7f | 0x80 | 2, 101 >> 4, 0, 2 << 3, 0xac, 0x02}
	if !bytes.Equal(b, want) {
		t.Errorf("got %x, want %x", b, want)
	}
}
