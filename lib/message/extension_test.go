package message

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// The acknowledgement agrees with another implementation (Python's hmac and hashlib).
func TestAcknowledge(t *testing.T) {
	var key AckKey
	for i := range key {
		key[i] = byte(i)
	}
	const data, want = "c3RvcmUgZGF0YQ==", "0763dd9083730a010477cc58d4b7c7fd66ce4fa4ab7d1cf8cdb36a594d947eb5"
	got := key.Acknowledge(data)
	if hex.EncodeToString(got[:]) != want {
		t.Errorf("got %x, want %s", got, want)
	}
	if !got.Equal(got[:]) || got.Equal(got[1:]) || got.Equal(nil) {
		t.Error("an acknowledgement is equal to itself alone")
	}
	for name, other := range map[string]Acknowledgement{
		"another message": key.Acknowledge(data + "A"), "another key": (AckKey{1}).Acknowledge(data),
	} {
		if got.Equal(other[:]) {
			t.Errorf("%s has the same acknowledgement", name)
		}
	}
}

func TestAckKeyIsHidden(t *testing.T) {
	extension := Extension{AckKey: &AckKey{0xab, 0xcd}}
	for _, format := range []string{"%v", "%+v", "%s", "%#v", "%x", "%d"} {
		for _, v := range []any{*extension.AckKey, extension.AckKey} {
			if text := fmt.Sprintf(format, v); strings.Contains(text, "abcd") || strings.Contains(text, "171") {
				t.Errorf("%s shows %q", format, text)
			}
		}
	}
}
