package fakenet

import (
	"fmt"
	"strings"
)

// SeedEntry makes one node of a seed's list with the fields that matter, changed or removed (empty) as given.
func SeedEntry(change map[string]string) string {
	fields := map[string]string{
		"pubkey_ed25519": `"` + strings.Repeat("a1", 32) + `"`, "pubkey_x25519": `"` + strings.Repeat("b2", 32) + `"`,
		"public_ip": `"192.0.2.7"`, "storage_port": `22021`, "swarm_id": `18446744073709551614`,
		"service_node_pubkey": `"` + strings.Repeat("00", 32) + `"`,
	}
	var members []string
	for name, value := range fields {
		if changed, ok := change[name]; ok {
			value = changed
		}
		if value != "" {
			members = append(members, fmt.Sprintf("%q:%s", name, value))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

// SeedAnswer is the answer of a seed with a list of these entries.
func SeedAnswer(entries ...string) []byte {
	return []byte(`{"jsonrpc":"2.0","id":0,"result":{"status":"OK","service_node_states":[` +
		strings.Join(entries, ",") + `]}}`)
}
