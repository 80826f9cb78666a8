package network

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"sessiontool/lib/onion"
	"sessiontool/lib/rpc"
	"sessiontool/lib/swarm"
	"sessiontool/lib/x25519"
)

// maxNodes bounds a node list; mainnet has about 2 000.
const maxNodes = 20000

// Key is a node's Ed25519 public key, the name by which onion layers call it.
type Key [32]byte

// String returns the key in lower-case hex.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// MarshalText writes the key in lower-case hex.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads 64 hex digits.
func (k *Key) UnmarshalText(text []byte) error {
	key, err := parseKey(string(text))
	*k = key
	return err
}

func parseKey(text string) (Key, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 32 {
		return Key{}, fmt.Errorf("node key is not 64 hex digits")
	}
	return Key(raw), nil
}

// Node is a registered service node. Address is its name in swarm lists. Address is empty and SwarmID is
// swarm.NoSwarm where the seed did not tell them.
type Node struct {
	Ed25519 Key           `json:"pubkey_ed25519"`
	X25519  Key           `json:"pubkey_x25519"`
	IP      string        `json:"ip"`
	Port    uint16        `json:"port"`
	Address string        `json:"address"`
	SwarmID swarm.SwarmID `json:"swarm_id"`
}

// hop returns the node as onion layers need it.
func (n Node) hop() onion.Hop {
	return onion.Hop{Ed25519: n.Ed25519, X25519: x25519.PublicKey(n.X25519)}
}

// seedState is a lenient reading of one entry of get_n_service_nodes: seeds of different times write the port as a
// number or as text, and may leave out what was not asked for.
type seedState struct {
	PubkeyEd25519 string      `json:"pubkey_ed25519"`
	PubkeyX25519  string      `json:"pubkey_x25519"`
	PublicIP      string      `json:"public_ip"`
	StoragePort   json.Number `json:"storage_port"`
	SwarmID       json.Number `json:"swarm_id"`
	PubkeyLegacy  string      `json:"service_node_pubkey"`
}

// node checks an entry. Nodes that are not reachable by their own account are not listed.
func (s seedState) node() (Node, bool) {
	ed, err := parseKey(s.PubkeyEd25519)
	if err != nil {
		return Node{}, false
	}
	x, err := parseKey(s.PubkeyX25519)
	if err != nil {
		return Node{}, false
	}
	ip := net.ParseIP(s.PublicIP)
	port, err := strconv.ParseUint(s.StoragePort.String(), 10, 16)
	if ip == nil || ip.IsUnspecified() || err != nil || port == 0 {
		return Node{}, false
	}
	node := Node{Ed25519: ed, X25519: x, IP: s.PublicIP, Port: uint16(port), SwarmID: swarm.NoSwarm}
	if legacy, err := parseKey(s.PubkeyLegacy); err == nil {
		node.Address = rpc.SnodeAddress(legacy)
	}
	if id, err := strconv.ParseUint(s.SwarmID.String(), 10, 64); err == nil {
		node.SwarmID = swarm.SwarmID(id)
	}
	return node, true
}

// fetchNodes asks the seeds in random order until one answers with a list, and keeps that list.
func (c *Client) fetchNodes(ctx context.Context) error {
	var failures []error
	for _, i := range c.shuffled(len(c.seeds)) {
		nodes, date, err := c.askSeed(ctx, c.seeds[i])
		if err == nil {
			c.learnOffset(date)
			return c.setNodes(nodes)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failures = append(failures, fmt.Errorf("seed %s: %w", c.seeds[i], err))
	}
	return fmt.Errorf("%w: %w", ErrNoSeed, errors.Join(failures...))
}

func (c *Client) askSeed(ctx context.Context, seed string) ([]Node, time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, seedTimeout)
	defer cancel()
	body, err := rpc.NewRequest(rpc.MethodServiceNodes, rpc.ServiceNodesParams{
		ActiveOnly: true,
		Fields: map[string]bool{
			"public_ip": true, "storage_port": true, "pubkey_x25519": true, "pubkey_ed25519": true,
			"service_node_pubkey": true, "swarm_id": true,
		},
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	answer, err := c.http.PostSeed(ctx, seed, body)
	if err != nil {
		return nil, time.Time{}, err
	}
	if answer.Status != rpc.StatusOK {
		return nil, time.Time{}, fmt.Errorf("status %d", answer.Status)
	}
	nodes, err := parseSeedAnswer(answer.Body)
	return nodes, answer.Date, err
}

// parseSeedAnswer reads a node list, leaves out entries that cannot be used, and refuses a list that has none.
func parseSeedAnswer(body []byte) ([]Node, error) {
	var answer struct {
		Result struct {
			States []seedState `json:"service_node_states"`
		} `json:"result"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if err := decoder.Decode(&answer); err != nil {
		return nil, fmt.Errorf("not a node list: %w", err)
	}
	if len(answer.Result.States) > maxNodes {
		return nil, fmt.Errorf("node list has %d entries, more than %d", len(answer.Result.States), maxNodes)
	}
	seen := make(map[Key]bool)
	var nodes []Node
	for _, state := range answer.Result.States {
		if node, ok := state.node(); ok && !seen[node.Ed25519] {
			seen[node.Ed25519] = true
			nodes = append(nodes, node)
		}
	}
	if len(nodes) == 0 {
		return nil, errors.New("node list has no usable entry")
	}
	return nodes, nil
}

// seedURL completes what people write: a host and port, or a URL with or without the JSON-RPC path.
func seedURL(text string) (string, error) {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return "", fmt.Errorf("%w: %q is not an http or https URL", ErrBadNetwork, text)
	}
	if parsed.Path == "" || parsed.Path == "/" {
		parsed.Path = rpc.SeedPath
	}
	return parsed.String(), nil
}
