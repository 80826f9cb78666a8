package listing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/tidwall/gjson"

	"sessiontool/lib/swarm"
)

// Err reports a file without a usable node list.
var Err = errors.New("not a list of service nodes")

// listedNode is a line of the record form of a list.
type listedNode struct {
	PubkeyEd25519 string `json:"pubkey_ed25519"`
	PubkeyX25519  string `json:"pubkey_x25519"`
	IP            string `json:"ip"`
	Port          uint16 `json:"port"`
	Address       string `json:"address"`
	SwarmID       string `json:"swarm_id"` // hex
}

// Parse reads a node list in one of two forms: the answer of a seed to get_n_service_nodes, or one JSON object for
// each node with the fields of a node record. Of nodes with the same key the first counts. It refuses what is not a
// list, and a list without usable nodes. The error wraps [Err].
func Parse(data []byte) ([]Node, error) {
	var form struct {
		Result json.RawMessage `json:"result"`
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&form); err != nil {
		return nil, fmt.Errorf("%w: %w", Err, err)
	}
	if len(form.Result) > 0 {
		nodes, _, err := ParseSeedAnswer(data)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", Err, err)
		}
		return nodes, nil
	}
	return parseListed(data)
}

func parseListed(data []byte) (nodes []Node, err error) {
	seen := make(map[Key]bool)
	decoder := json.NewDecoder(bytes.NewReader(data))
	for count := 1; ; count++ {
		var listed listedNode
		err := decoder.Decode(&listed)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: node %d: %w", Err, count, err)
		}
		if count > MaxNodes {
			return nil, fmt.Errorf("%w: it has more than %d nodes", Err, MaxNodes)
		}
		node, err := listed.node()
		if err != nil {
			return nil, fmt.Errorf("%w: node %d: %w", Err, count, err)
		}
		if !seen[node.Ed25519] {
			seen[node.Ed25519] = true
			nodes = append(nodes, node)
		}
	}
	return nodes, nil
}

// node checks an entry as those of seeds are checked. Its swarm may be unknown.
func (l listedNode) node() (Node, error) {
	swarmID := uint64(swarm.NoSwarm)
	if l.SwarmID != "" {
		id, err := strconv.ParseUint(l.SwarmID, 16, 64)
		if err != nil {
			return Node{}, errors.New("swarm_id is not hex")
		}
		swarmID = id
	}
	state, err := json.Marshal(map[string]any{
		"public_ip": l.IP, "storage_port": l.Port, "pubkey_ed25519": l.PubkeyEd25519,
		"pubkey_x25519": l.PubkeyX25519, "swarm_id": swarmID,
	})
	if err != nil {
		return Node{}, err
	}
	node, ok := parseSeedState(gjson.ParseBytes(state))
	if !ok {
		return Node{}, errors.New("it needs usable pubkey_ed25519, pubkey_x25519, ip and port")
	}
	node.Address = l.Address
	return node, nil
}
