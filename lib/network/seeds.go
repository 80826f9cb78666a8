package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/storage/storagehttp"
	"sessiontool/lib/swarm"
	"sessiontool/lib/trace"
	"sessiontool/lib/x25519"
	"sessiontool/lib/xeddsa"
)

const (
	// maxNodes bounds a node list; mainnet has about 2 000.
	maxNodes = 20000
	// seedTimeout bounds the wait for one seed's answer.
	seedTimeout = 5 * time.Second
	// askAgainAfter is the minimum time between two requests of one run to the seeds.
	askAgainAfter = time.Minute
	// maxDoubts is how many further requests are allowed within askAgainAfter, see [Client.doubt].
	maxDoubts = 3
	// seedsAsked is how many seeds are asked at once, and seedsAgree how many of their lists must have a node. A
	// network with one seed has to trust it; of two seeds both have to agree.
	seedsAsked = 3
	seedsAgree = 2
)

var errSeedTimeout = fmt.Errorf("%w within %s", storagehttp.ErrUnreachable, seedTimeout)

// seedList is the answer of a seed.
type seedList struct {
	seed       string
	nodes      []Node
	date       time.Time
	generation storage.Generation
	err        error
}

// fetchNodes asks three seeds at once, and others instead of those that fail. It keeps the nodes that two of three
// lists have, so no single seed can add a node, leave one out, or move one to another swarm. Two equal lists suffice;
// otherwise it waits for a third. It takes the median of the seeds' times until nodes give a better one. The caller
// holds seedsMu.
func (c *Client) fetchNodes(ctx context.Context) (err error) {
	ctx, span := trace.Start(ctx, trace.SpanSeed)
	defer func() { span.End(err) }()
	c.mu.Lock()
	c.askedAt = c.now()
	order := c.rng.Perm(len(c.seeds))
	c.mu.Unlock()
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan seedList, len(order))
	ask := func() {
		if len(order) > 0 {
			seed := c.seeds[order[0]]
			order = order[1:]
			c.work.Go(func() {
				list := seedList{seed: seed}
				list.nodes, list.date, list.generation, list.err = c.askSeed(asking, seed)
				answers <- list
			})
		}
	}
	left := len(order)
	for range seedsAsked {
		ask()
	}
	var lists []seedList
	var failures []error
	for ; left > 0 && len(lists) < seedsAsked && !agreed(lists); left-- {
		list := <-answers
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case list.err != nil:
			failures = append(failures, fmt.Errorf("seed %s: %w", list.seed, list.err))
			ask()
		default:
			lists = append(lists, list)
		}
	}
	return c.takeLists(lists, failures)
}

// agreed reports whether two lists are equal.
func agreed(lists []seedList) bool {
	return len(lists) == seedsAgree && len(common(lists, seedsAgree)) == max(len(lists[0].nodes), len(lists[1].nodes))
}

// common returns the nodes that at least wanted lists have, with the same address and swarm.
func common(lists []seedList, wanted int) (nodes []Node) {
	if len(lists) == wanted && !slices.ContainsFunc(lists, func(l seedList) bool {
		return !slices.Equal(l.nodes, lists[0].nodes)
	}) {
		return lists[0].nodes // as most of the time
	}
	votes := make(map[Node]int)
	taken := make(map[Key]bool)
	for _, list := range lists {
		for _, node := range list.nodes {
			if votes[node]++; votes[node] == wanted && !taken[node.Ed25519] {
				taken[node.Ed25519] = true
				nodes = append(nodes, node)
			}
		}
	}
	return nodes
}

// takeLists keeps the nodes on which the seeds agree.
func (c *Client) takeLists(lists []seedList, failures []error) error {
	wanted := min(seedsAgree, len(c.seeds))
	nodes := common(lists, wanted)
	switch {
	case len(lists) == 0:
		return fmt.Errorf("%w: %w", ErrNoSeed, errors.Join(failures...))
	case len(lists) < wanted:
		return fmt.Errorf("%w: one of %d alone is not believed: %w", ErrNoSeed, len(c.seeds), errors.Join(failures...))
	case len(nodes) == 0, len(lists) == seedsAgree && 4*len(nodes) < 3*max(len(lists[0].nodes), len(lists[1].nodes)):
		// of two seeds, a lying one could leave out the honest nodes
		return fmt.Errorf("%w: their lists differ", ErrNoSeed)
	}
	dates := slices.DeleteFunc(slices.Clone(lists), func(l seedList) bool { return l.date.IsZero() })
	slices.SortFunc(dates, func(a, b seedList) int { return a.date.Compare(b.date) })
	if len(dates) > 0 {
		c.suggestOffset(dates[(len(dates)-1)/2].date)
	}
	c.takeGeneration(lists, wanted)
	c.setNodes(nodes)
	c.log.Info("seeds list service nodes", "seeds", len(lists), "nodes", len(nodes))
	return nil
}

// takeGeneration keeps the generation that at least wanted seeds give.
func (c *Client) takeGeneration(lists []seedList, wanted int) {
	votes := make(map[storage.Generation]int)
	for _, list := range lists {
		if votes[list.generation]++; list.generation.Known() && votes[list.generation] == wanted {
			c.setGeneration(list.generation)
		}
	}
}

// askSeed asks a seed for every active node. The answer also has the seed's time and, from our own registry, the
// network's generation.
func (c *Client) askSeed(ctx context.Context, seed string) ([]Node, time.Time, storage.Generation, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, seedTimeout, errSeedTimeout)
	defer cancel()
	body, err := storage.NewRequest(nodelist.Method, nodelist.Params{
		ActiveOnly: true,
		Fields: map[string]bool{
			"public_ip": true, "storage_port": true, "pubkey_x25519": true, "pubkey_ed25519": true,
			"service_node_pubkey": true, "swarm_id": true,
		},
	})
	if err != nil {
		return nil, time.Time{}, "", err
	}
	started := time.Now()
	answer, err := c.http.PostSeed(ctx, seed, body)
	if err != nil {
		return nil, time.Time{}, "", err
	}
	c.log.Info("seed answers", "method", nodelist.Method, "path", pathDirect, "ms", milliseconds(time.Since(started)),
		"status", answer.Status, "seed", seed)
	if answer.Status != storage.StatusOK {
		return nil, time.Time{}, "", fmt.Errorf("status %d", answer.Status)
	}
	nodes, generation, err := parseSeedAnswer(answer.Body)
	if err != nil {
		return nil, time.Time{}, "", err
	}
	return nodes, answer.Time(), generation, nil
}

// parseSeedAnswer reads a node list and leaves out unusable entries. It refuses a list without usable entries. Of
// entries with the same key the first counts. Our own registry adds the network's generation.
func parseSeedAnswer(body []byte) ([]Node, storage.Generation, error) {
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
		return count <= maxNodes
	})
	if count > maxNodes {
		return nil, "", fmt.Errorf("node list has more than %d entries", maxNodes)
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
	edKey, edErr := parseKey(state.PubkeyEd25519)
	xKey, xErr := parseKey(state.PubkeyX25519)
	port, portErr := strconv.ParseUint(state.StoragePort.String(), 10, 16)
	ip := net.ParseIP(state.PublicIP)
	if edErr != nil || xErr != nil || portErr != nil || port == 0 || ip == nil || ip.IsUnspecified() ||
		!usableKeys(edKey, xKey) {
		return Node{}, false
	}
	node := Node{Ed25519: edKey, X25519: xKey, IP: state.PublicIP, Port: uint16(port), SwarmID: swarm.NoSwarm}
	if legacy, err := parseKey(state.PubkeyLegacy); err == nil {
		node.Address = storage.SnodeAddress(legacy)
	}
	if id, err := strconv.ParseUint(state.SwarmID.String(), 10, 64); err == nil {
		node.SwarmID = swarm.SwarmID(id)
	}
	return node, true
}

// usableKeys reports whether a node may have these keys. With an Ed25519 key of low order any party could sign as the
// node, and with such an X25519 key no layer can be encrypted for it.
func usableKeys(edKey, xKey Key) bool {
	return xeddsa.UsableKey(edKey) && !x25519.PublicKey(xKey).LowOrder()
}

// seedURL checks a seed's URL, and adds the path of the JSON-RPC if it has none.
func seedURL(text string) (string, error) {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Hostname() == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return "", fmt.Errorf("%w: %q is not an http or https URL", ErrBadNetwork, text)
	}
	if parsed.Path == "" || parsed.Path == "/" {
		parsed.Path = nodelist.SeedPath
	}
	return parsed.String(), nil
}
