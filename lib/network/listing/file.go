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
// each node with the fields of a node record, one after the other or in an array. Of nodes with the same key the first counts. It refuses what is not a
// list, and a list without usable nodes. The error wraps [Err].
func Parse(data []byte) ([]Node, error) {
	var form struct {
		Result json.RawMessage `json:"result"`
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("%w: it is empty", Err)
	}
	data, err := unlisted(data)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&form); err != nil {
		return nil, fmt.Errorf("%w: node 1: %w", Err, problem(err))
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

// unlisted returns the elements of a JSON array one after the other, and anything else as it is.
func unlisted(data []byte) ([]byte, error) {
	if bytes.TrimSpace(data)[0] != '[' {
		return data, nil
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(data, &elements); err != nil {
		return nil, fmt.Errorf("%w: %w", Err, problem(err))
	}
	if len(elements) == 0 {
		return nil, fmt.Errorf("%w: it is empty", Err)
	}
	var lines []byte
	for _, element := range elements {
		lines = append(append(lines, element...), '\n')
	}
	return lines, nil
}

// problem returns what is wrong with JSON, without words of Go.
func problem(err error) error {
	wrong := (*json.UnmarshalTypeError)(nil)
	switch {
	case errors.As(err, &wrong) && wrong.Field == "":
		return fmt.Errorf("it is a JSON %s, not an object", wrong.Value)
	case errors.As(err, &wrong):
		return fmt.Errorf("%s is a JSON %s", wrong.Field, wrong.Value)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it is cut off")
	}
	return err
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
			return nil, fmt.Errorf("%w: node %d: %w", Err, count, problem(err))
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
