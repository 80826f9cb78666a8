package onion

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestPad(t *testing.T) {
	for _, test := range []struct{ size, want int }{
		{2, 16 << 10}, {16 << 10, 16 << 10}, {16<<10 + 1, 64 << 10}, {64<<10 + 1, 128 << 10}, {128<<10 + 1, 256 << 10},
		{MaxBody, MaxBody}, {MaxBody + 1, MaxBody + 1},
	} {
		payload := []byte(`"` + strings.Repeat("x", test.size-2) + `"`)
		padded := Pad(payload)
		if len(padded) != test.want || !bytes.Equal(bytes.TrimRight(padded, " "), payload) || !json.Valid(padded) {
			t.Errorf("%d bytes became %d, want %d", test.size, len(padded), test.want)
		}
	}
}
