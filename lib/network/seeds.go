package network

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"sessiontool/lib/network/listing"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/storage/storagehttp"
	"sessiontool/lib/trace"
)

const (
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
	nodes, generation, err := listing.ParseSeedAnswer(answer.Body)
	if err != nil {
		return nil, time.Time{}, "", err
	}
	return nodes, answer.Time(), generation, nil
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
