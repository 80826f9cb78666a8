package network

import (
	"fmt"
	"time"
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
	if len(nodes) <= Hops {
		return fmt.Errorf("%w: it has %d, and the list that is kept stays; %d hops and a target need %d",
			ErrTooFewNodes, len(nodes), Hops, Hops+1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Nodes, c.state.FetchedAt, c.state.ImportedAt = nodes, time.Time{}, c.now().UTC()
	c.state.SeedsFailedAt = time.Time{}
	c.reindex()
	return c.file.save(c.state)
}
