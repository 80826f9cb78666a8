package devnet

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"sessiontool/lib/node"
)

// ErrLikeness reports a likeness that is unknown or does not fit other options.
var ErrLikeness = errors.New("bad likeness")

// SeedTime is how the registry tells the time in its answers.
type SeedTime string

// The ways of seeds: most web servers send Date; seeds of 2020 sent Last-Modified alone, and others may send neither.
const (
	SeedDate         SeedTime = "date"
	SeedLastModified SeedTime = "last-modified"
	SeedNoTime       SeedTime = "none"
)

// SeedTimes are all ways.
var SeedTimes = []SeedTime{SeedDate, SeedLastModified, SeedNoTime}

// setHeader adds the header to an answer of the registry.
func (s SeedTime) setHeader(header http.Header, now time.Time) {
	text := []string{now.UTC().Format(http.TimeFormat)}
	header["Date"] = nil // or else net/http would add it
	switch s {
	case SeedDate:
		header["Date"] = text
	case SeedLastModified:
		header["Last-Modified"] = text
	}
}

// Likeness is the real network that a devnet behaves like. The zero Likeness is none: the nodes are this program's own.
// The order in which members of a swarm list messages differs from member to member in each.
type Likeness struct {
	// Nodes is how nodes behave.
	Nodes node.Behaviour
	// SeedTime is how the registry tells the time.
	SeedTime SeedTime
	// Vanish makes a stopped node a machine without power: connections hang. Otherwise they are refused.
	Vanish bool
}

// Likenesses are the names that Like knows.
func Likenesses() []string { return node.Likenesses() }

// Like returns the likeness of a storage server's version. The empty name is that of no real network.
func Like(name string) (Likeness, error) {
	behaviour, err := node.BehaviourLike(name)
	if err != nil {
		return Likeness{}, fmt.Errorf("%w: %w", ErrLikeness, err)
	}
	if name == "" {
		behaviour.ArrivalSpread = node.DefaultArrivalSpread
		return Likeness{Nodes: behaviour, SeedTime: SeedDate}, nil
	}
	return Likeness{Nodes: behaviour, SeedTime: SeedLastModified, Vanish: true}, nil
}

// Name returns the name of the likeness, empty for that of no real network.
func (l Likeness) Name() string { return l.Nodes.Name }

// complete makes the zero Likeness that of no real network, and refuses a SeedTime that is none.
func (l Likeness) complete() (Likeness, error) {
	seedTime := l.SeedTime
	if l.Nodes.HopTimeout == 0 {
		own, err := Like("")
		if err != nil {
			return l, err
		}
		l = own
	}
	if seedTime != "" {
		l.SeedTime = seedTime
	}
	if !slices.Contains(SeedTimes, l.SeedTime) {
		return l, fmt.Errorf("%w: %q is none of %v", ErrLikeness, l.SeedTime, SeedTimes)
	}
	return l, nil
}
