package network

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/lib/swarm"
)

// ListSource is where a node list comes from.
type ListSource string

// The sources of a node list. An import is signed by nobody: it is as good as its file.
const (
	ListNone   ListSource = "none"
	ListSeeds  ListSource = "seeds"
	ListImport ListSource = "import"
)

// List describes the node list of a client. Old means that it is a fallback: the seeds did not answer when they were
// asked last, and At is longer ago than a list is fresh.
type List struct {
	Nodes  int
	Source ListSource
	At     time.Time // when the seeds gave it, or when it was imported
	Old    bool
	// SeedsFailedAt is when no seed answered; zero if the last question had an answer.
	SeedsFailedAt time.Time
}

// List returns what is known of the node list. It asks no seed.
func (c *Client) List() List {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := List{Nodes: len(c.state.Nodes), Source: ListSeeds, At: c.state.FetchedAt,
		SeedsFailedAt: c.state.SeedsFailedAt}
	switch {
	case list.Nodes == 0:
		list.Source, list.At = ListNone, time.Time{}
	case !c.state.ImportedAt.IsZero():
		list.Source, list.At = ListImport, c.state.ImportedAt
	}
	list.Old = list.Source == ListSeeds && !list.SeedsFailedAt.IsZero() &&
		!within(c.now(), list.At, nodesFreshFor)
	return list
}

// Seeds returns the URLs of the seeds.
func (c *Client) Seeds() []string { return append([]string(nil), c.seeds...) }

func (c *Client) noteSilentSeeds() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.SeedsFailedAt = c.now().UTC()
}

// Import replaces the node list by one that the user has from elsewhere. It counts until the seeds answer, which are
// asked before it is used. It returns an error if the list cannot be kept.
func (c *Client) Import(nodes []Node) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Nodes, c.state.FetchedAt, c.state.ImportedAt = nodes, time.Time{}, c.now().UTC()
	c.state.SeedsFailedAt = time.Time{}
	c.reindex()
	return c.file.save(c.state)
}

// ErrList reports a file without a usable node list.
var ErrList = errors.New("not a list of service nodes")

// listedNode is a line of the record form of a list.
type listedNode struct {
	PubkeyEd25519 string `json:"pubkey_ed25519"`
	PubkeyX25519  string `json:"pubkey_x25519"`
	IP            string `json:"ip"`
	Port          uint16 `json:"port"`
	Address       string `json:"address"`
	SwarmID       string `json:"swarm_id"` // hex
}

// ParseList reads a node list in one of two forms: the answer of a seed to get_n_service_nodes, or one JSON object for
// each node with the fields of a node record. Of nodes with the same key the first counts. It refuses what is not a
// list, and a list without usable nodes. The error wraps [ErrList].
func ParseList(data []byte) ([]Node, error) {
	var form struct {
		Result json.RawMessage `json:"result"`
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&form); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrList, err)
	}
	if len(form.Result) > 0 {
		nodes, _, err := parseSeedAnswer(data)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrList, err)
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
			return nil, fmt.Errorf("%w: node %d: %w", ErrList, count, err)
		}
		if count > maxNodes {
			return nil, fmt.Errorf("%w: it has more than %d nodes", ErrList, maxNodes)
		}
		node, err := listed.node()
		if err != nil {
			return nil, fmt.Errorf("%w: node %d: %w", ErrList, count, err)
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
