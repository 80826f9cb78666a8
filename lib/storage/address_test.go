package storage_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/storage"
)

func TestSnodeAddress(t *testing.T) {
	pairs := recordedAddresses(t)
	if len(pairs) == 0 {
		t.Skip("the recordings have no addresses next to the keys that they are made of")
	}
	for _, address := range slices.Sorted(maps.Keys(pairs)) {
		key, err := hex.DecodeString(pairs[address])
		if err != nil {
			t.Fatal(err)
		}
		if got := storage.SnodeAddress([32]byte(key)); got != address {
			t.Errorf("%x has the address %s, want %s", key, got, address)
		}
	}
}

// recordedAddresses finds, anywhere in the recordings, nodes that are listed with address and legacy key.
func recordedAddresses(t *testing.T) map[string]string {
	t.Helper()
	pairs := make(map[string]string)
	for _, name := range []string{"sessionjs_message.json", "onion.json"} {
		var value any
		vectors.Load(t, name, &value)
		collectAddresses(value, pairs)
	}
	file, err := os.Open(vectors.Path(t, "node-today.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		collectAddresses(lines.Text(), pairs)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return pairs
}

// collectAddresses looks into objects, lists, and texts that are JSON again.
func collectAddresses(value any, pairs map[string]string) {
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			collectAddresses(element, pairs)
		}
	case map[string]any:
		address, _ := value["address"].(string)
		for _, name := range []string{"sn_pubkey", "pubkey_legacy"} {
			if key, ok := value[name].(string); ok && strings.HasSuffix(address, ".snode") {
				pairs[address] = key
			}
		}
		for _, member := range value {
			collectAddresses(member, pairs)
		}
	case string:
		var inner any
		if strings.HasPrefix(value, "{") && json.Unmarshal([]byte(value), &inner) == nil {
			collectAddresses(inner, pairs)
		}
	}
}
