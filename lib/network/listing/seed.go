package listing

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"sessiontool/lib/storage"
	"sessiontool/lib/swarm"
)

// MaxNodes bounds a node list; mainnet has about 2 000.
const MaxNodes = 20000

// ParseSeedAnswer reads a node list and leaves out unusable entries. It refuses a list without usable entries. Of
// entries with the same key the first counts. Our own registry adds the network's generation.
func ParseSeedAnswer(body []byte) ([]Node, storage.Generation, error) {
	var answer struct {
		Result struct {
			States     json.RawMessage    `json:"service_node_states"`
			Generation storage.Generation `json:"generation"`
		} `json:"result"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, "", fmt.Errorf("answer is not a node list: %w", err)
	}
	states := gjson.ParseBytes(answer.Result.States)
	switch {
	case len(answer.Result.States) == 0:
		return nil, "", errors.New("answer is not a node list: list is missing")
	case states.Type != gjson.Null && !states.IsArray():
		return nil, "", errors.New("answer is not a node list: list is not a JSON array")
	}
	seen, count := make(map[Key]bool), 0
	var nodes []Node
	states.ForEach(func(_, state gjson.Result) bool {
		if node, ok := parseSeedState(state); ok && !seen[node.Ed25519] {
			seen[node.Ed25519] = true
			nodes = append(nodes, node)
		}
		count++
		return count <= MaxNodes
	})
	if count > MaxNodes {
		return nil, "", fmt.Errorf("node list has more than %d entries", MaxNodes)
	}
	if len(nodes) == 0 {
		return nil, "", errors.New("node list has no usable entry")
	}
	return nodes, answer.Result.Generation, nil
}

// seedState is one entry of get_n_service_nodes.
type seedState struct {
	PubkeyEd25519 string      `json:"pubkey_ed25519"`
	PubkeyX25519  string      `json:"pubkey_x25519"`
	PublicIP      string      `json:"public_ip"`
	StoragePort   json.Number `json:"storage_port"`
	SwarmID       json.Number `json:"swarm_id"`
	PubkeyLegacy  string      `json:"service_node_pubkey"`
}

// readPlain reads valid JSON as json.Unmarshal does, in a third of the time. It returns false for one that it
// does not read: another type of value than usual, or another spelling of a name.
func (s *seedState) readPlain(object gjson.Result) (plain bool) {
	if !object.IsObject() {
		return false
	}
	plain = true
	object.ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case "pubkey_ed25519":
			s.PubkeyEd25519 = value.Str
		case "pubkey_x25519":
			s.PubkeyX25519 = value.Str
		case "public_ip":
			s.PublicIP = value.Str
		case "service_node_pubkey":
			s.PubkeyLegacy = value.Str
		case "storage_port":
			s.StoragePort = json.Number(value.Raw)
		case "swarm_id":
			s.SwarmID = json.Number(value.Raw)
		default:
			plain = !slices.ContainsFunc(stateFields, func(known string) bool {
				return strings.EqualFold(name.Str, known)
			})
			return plain
		}
		wanted := gjson.String
		if name.Str == "storage_port" || name.Str == "swarm_id" {
			wanted = gjson.Number
		}
		plain = value.Type == wanted
		return plain
	})
	return plain
}

// stateFields are the names in a seedState.
var stateFields = []string{
	"pubkey_ed25519", "pubkey_x25519", "public_ip", "storage_port", "swarm_id", "service_node_pubkey",
}

// parseSeedState reads one entry of get_n_service_nodes (storage-2.0.md section 10) leniently: some seeds write numbers
// as text, and some leave out fields that were not requested. An entry without usable keys or without an address and
// port is not a node; an address of 0.0.0.0 means that it is unknown.
func parseSeedState(object gjson.Result) (Node, bool) {
	var state seedState
	if !state.readPlain(object) {
		state = seedState{}
		if json.Unmarshal([]byte(object.Raw), &state) != nil {
			return Node{}, false
		}
	}
	edKey, edErr := ParseKey(state.PubkeyEd25519)
	xKey, xErr := ParseKey(state.PubkeyX25519)
	port, portErr := strconv.ParseUint(state.StoragePort.String(), 10, 16)
	ip := net.ParseIP(state.PublicIP)
	if edErr != nil || xErr != nil || portErr != nil || port == 0 || ip == nil || ip.IsUnspecified() ||
		!UsableKeys(edKey, xKey) {
		return Node{}, false
	}
	node := Node{Ed25519: edKey, X25519: xKey, IP: state.PublicIP, Port: uint16(port), SwarmID: swarm.NoSwarm}
	if legacy, err := ParseKey(state.PubkeyLegacy); err == nil {
		node.Address = storage.SnodeAddress(legacy)
	}
	if id, err := strconv.ParseUint(state.SwarmID.String(), 10, 64); err == nil {
		node.SwarmID = swarm.SwarmID(id)
	}
	return node, true
}
