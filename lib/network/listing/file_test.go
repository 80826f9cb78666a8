package listing

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"sessiontool/lib/internal/fakenet"
)

// records returns the record form of a list.
func records(t *testing.T, nodes []Node) (lines []byte) {
	t.Helper()
	for _, node := range nodes {
		line, err := json.Marshal(listedNode{node.Ed25519.String(), node.X25519.String(), node.IP, node.Port,
			node.Address, node.SwarmID.String()})
		if err != nil {
			t.Fatal(err)
		}
		lines = append(append(lines, line...), '\n')
	}
	return lines
}

func TestParse(t *testing.T) {
	var entries []string
	for _, key := range []string{"a1", "b2", "c3"} {
		entries = append(entries, fakenet.SeedEntry(map[string]string{
			"pubkey_ed25519": `"` + strings.Repeat(key, 32) + `"`, "swarm_id": "7",
		}))
	}
	answer := fakenet.SeedAnswer(entries...)
	want, _, err := ParseSeedAnswer(answer)
	if err != nil || len(want) != 3 {
		t.Fatalf("%d nodes, %v", len(want), err)
	}
	lines := records(t, want)
	for name, data := range map[string][]byte{
		"records": lines, "records twice": append(lines[:len(lines):len(lines)], lines...), "a seed's answer": answer,
		"an array": []byte(" [" + strings.ReplaceAll(strings.TrimSpace(string(lines)), "\n", ",\n") + "]\n"),
	} {
		if nodes, err := Parse(data); err != nil || !slices.Equal(nodes, want) {
			t.Errorf("%s: %+v, %v; want %+v", name, nodes, err, want)
		}
	}
	first, _, _ := strings.Cut(string(lines), "\n")
	for name, data := range map[string]string{
		"nothing": "", "no JSON": "x", "an empty array": "[]", "an array of numbers": "[1]", "a number": "1",
		"an array that is cut off": "[{", "another record": `{"type":"receipt"}`,
		"an empty answer": `{"result":{"service_node_states":[]}}`,
		"a bad key":       strings.Replace(first, `"pubkey_x25519":"`, `"pubkey_x25519":"z`, 1),
		"no port":         strings.Replace(first, `"port":`, `"tor":`, 1),
		"a bad swarm":     strings.Replace(first, `"swarm_id":"`, `"swarm_id":"x`, 1),
		"a broken line":   first + "\n{",
	} {
		if nodes, err := Parse([]byte(data)); !errors.Is(err, Err) || strings.Contains(err.Error(), "Go ") ||
			strings.HasSuffix(err.Error(), "EOF") {
			t.Errorf("%s: %d nodes, %v", name, len(nodes), err)
		}
	}
}

// FuzzParse reads any file: each node that it returns has usable keys and an address, and is read back from its
// record form as the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"pubkey_ed25519":"00","ip":"192.0.2.1","port":1}`))
	f.Add([]byte(`{"result":{"service_node_states":[{"public_ip":"192.0.2.1"}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		nodes, err := Parse(data)
		if err != nil && !errors.Is(err, Err) || err == nil && len(nodes) == 0 {
			t.Fatalf("%d nodes, %v", len(nodes), err)
		}
		for _, node := range nodes {
			if !UsableKeys(node.Ed25519, node.X25519) || node.Port == 0 {
				t.Errorf("%+v may be asked", node)
			}
		}
		if err != nil {
			return
		}
		if again, err := Parse(records(t, nodes)); err != nil || !slices.Equal(again, nodes) {
			t.Errorf("%+v became %+v, %v", nodes, again, err)
		}
	})
}
