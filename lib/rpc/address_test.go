package rpc

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
			if got := SnodeAddress([32]byte(key)); got != match[1] {
				t.Errorf("address of %s is %s, want %s", match[2], got, match[1])
			}
			pairs++
		}
	}
	if pairs == 0 {
		t.Skip("the recording lists no legacy keys")
	}
}
