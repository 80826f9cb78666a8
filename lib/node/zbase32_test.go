package node

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"regexp"
	"testing"

	"sessiontool/lib/internal/vectors"
)

// Today's servers list the legacy key next to the address that is made of it.
func TestAddressesOfRecordedNodes(t *testing.T) {
	data, err := os.ReadFile(vectors.Path(t, "node-today.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	node := regexp.MustCompile(`"address": ?"([a-z0-9]+\.snode)"[^}]*"pubkey_legacy": ?"([0-9a-f]{64})"`)
	pairs := 0
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	for lines.Scan() {
		for _, match := range node.FindAllStringSubmatch(lines.Text(), -1) {
			key, err := hex.DecodeString(match[2])
			if err != nil {
				t.Fatal(err)
			}
			if got := address(key); got != match[1] {
				t.Errorf("address of %s is %s, want %s", match[2], got, match[1])
			}
			pairs++
		}
	}
	if pairs == 0 {
		t.Skip("the recording lists no legacy keys")
	}
}

func TestEncodeZBase32(t *testing.T) {
	for _, test := range []struct {
		data []byte
		want string
	}{
		{nil, ""},
		{[]byte{0x00}, "yy"},
		{[]byte{0xff}, "9h"}, // 11111 111(00)
		{[]byte{0xf0, 0xbf, 0xc7}, "6n9hq"},
		{[]byte{0xd4, 0x7a, 0x04}, "4t7ye"},
		{make([]byte, 32), "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"},
	} {
		if got := encodeZBase32(test.data); got != test.want {
			t.Errorf("%x becomes %q, want %q", test.data, got, test.want)
		}
	}
}
