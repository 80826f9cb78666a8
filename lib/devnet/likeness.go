package devnet

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"sessiontool/lib/node/behaviour"
)

// ErrLikeness reports a likeness that is unknown or does not fit other options.
var ErrLikeness = errors.New("bad likeness")

// SeedTime is the header with the time in the registry's answers.
type SeedTime string

// The headers of seeds: most web servers send Date; seeds of 2020 sent only Last-Modified, and others may send neither.
const (
	SeedDate         SeedTime = "date"
	SeedLastModified SeedTime = "last-modified"
	SeedNoTime       SeedTime = "none"
)

// SeedTimes are all values.
var SeedTimes = []SeedTime{SeedDate, SeedLastModified, SeedNoTime}

// setHeader adds the header to an answer of the registry.
func (s SeedTime) setHeader(header http.Header, now time.Time) {
	text := []string{now.UTC().Format(http.TimeFormat)}
	header["Date"] = nil // keeps net/http from adding it
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
	Nodes behaviour.Rules
	// SeedTime is the header with the time in the registry's answers.
	SeedTime SeedTime
	// Vanish makes connections to a stopped node hang, as with a machine without power. Otherwise they are refused.
	Vanish bool
}

// Likenesses returns the names that [Like] accepts.
func Likenesses() []string { return behaviour.Likenesses() }

// Like returns the likeness of a storage server's version. The empty name means this program's own behaviour.
func Like(name string) (Likeness, error) {
	rules, err := behaviour.Like(name)
	if err != nil {
		return Likeness{}, fmt.Errorf("%w: %w", ErrLikeness, err)
	}
	if name == "" {
		rules.ArrivalSpread = behaviour.DefaultArrivalSpread
		return Likeness{Nodes: rules, SeedTime: SeedDate}, nil
	}
	return Likeness{Nodes: rules, SeedTime: SeedLastModified, Vanish: true}, nil
}

// Name returns the name of the likeness, or "" for this program's own behaviour.
func (l Likeness) Name() string { return l.Nodes.Name }

// complete gives the zero Likeness this program's own behaviour, and refuses an unknown SeedTime.
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
