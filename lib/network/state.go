package network

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sessiontool/lib/internal/atomicfile"
	"sessiontool/lib/internal/regular"
	"sessiontool/lib/network/listing"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
)

// How long cached facts are used without a check. A wrong guess costs one more request.
const (
	nodesFreshFor = 6 * time.Hour
	nodesUsedFor  = 24 * time.Hour // while a new list is fetched
	swarmFreshFor = 24 * time.Hour
	failedFor     = 10 * time.Minute
	// silentSeedsFor is how long seeds that did not answer are not asked again while there is a list.
	silentSeedsFor = 10 * time.Minute
)

// maxSwarms bounds the swarm cache; the oldest entries go first. maxReaders bounds the accounts whose readers are kept.
const (
	maxSwarms  = 4096
	maxReaders = 256
)

// state is what a client stores between runs: a cache, and the guards, which must not change from run to run. Times are
// those of this machine's clock.
type state struct {
	Nodes     []Node                `json:"nodes"`
	FetchedAt time.Time             `json:"fetched_at"` // zero if the nodes were imported
	Guards    []Key                 `json:"guards"`     // in the order of selection
	Failed    map[Key]time.Time     `json:"failed"`     // when each failed last
	Swarms    map[string]swarmEntry `json:"swarms"`     // by swarmName
	// Strikes has the times at which nodes seemed to fail behind a guard, by guard and node: see strike.
	Strikes    map[Key]map[Key]time.Time `json:"strikes,omitempty"`
	Difficulty int64                     `json:"difficulty"`
	Generation storage.Generation        `json:"generation,omitempty"` // according to nodes
	OffsetMS   int64                     `json:"clock_offset_ms"`      // how far the network's clock is ahead
	OffsetAt   time.Time                 `json:"clock_learned_at,omitzero"`
	StartedMS  int64                     `json:"clock_started_ms,omitempty"` // see startedMS; of when OffsetAt was
	Doubt      bool                      `json:"clock_doubt,omitempty"`      // see SureClock
	// Readers are the members that polls of an account ask, by swarmName.
	Readers map[string]Readers `json:"readers,omitempty"`
	// by method, the time after which an answer is late: see lateAfter
	Answers map[string]int64 `json:"answers_ms,omitempty"`
	// ImportedAt is when the user imported the nodes; zero if the seeds list them.
	ImportedAt time.Time `json:"imported_at,omitzero"`
	// SeedsFailedAt is when no seed answered; zero if the last question had an answer.
	SeedsFailedAt time.Time `json:"seeds_failed_at,omitzero"`
}

// swarmEntry is a cached swarm.
type swarmEntry struct {
	Members []Key     `json:"members"`
	At      time.Time `json:"at"`
}

// swarmName hides the Session ID of a cached swarm from a casual reader of the file.
func swarmName(id sessionid.ID) string {
	sum := sha256.Sum256(id[:])
	return hex.EncodeToString(sum[:16])
}

// within reports whether at is less than limit before now. A future time is not: the clock was set back.
func within(now, at time.Time, limit time.Duration) bool {
	age := now.Sub(at)
	return age >= 0 && age < limit
}

// failed reports whether a node failed lately.
func (s *state) failed(key Key, now time.Time) bool {
	at, ok := s.Failed[key]
	return ok && within(now, at, failedFor)
}

// forget deletes expired entries.
func (s *state) forget(now time.Time) {
	for key := range s.Failed {
		if !s.failed(key, now) {
			delete(s.Failed, key)
		}
	}
	for guard := range s.Strikes {
		if !slices.Contains(s.Guards, guard) {
			delete(s.Strikes, guard)
		}
	}
	if len(s.Swarms) <= maxSwarms {
		return
	}
	names := make([]string, 0, len(s.Swarms))
	for name := range s.Swarms {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return s.Swarms[a].At.Compare(s.Swarms[b].At) })
	for _, name := range names[:len(names)-maxSwarms] {
		delete(s.Swarms, name)
	}
}

// stateFile is the file of a state; without a path there is none.
type stateFile struct {
	path    string
	content []byte // as read or written last
}

// load reads the file. A missing or malformed file gives an empty state: it is a cache.
func (f *stateFile) load() state {
	var s state
	if f.path != "" {
		if data, err := regular.Read(f.path); err == nil && json.Unmarshal(data, &s) == nil {
			f.content = data
		} else {
			s = state{}
		}
	}
	if !s.Generation.Known() {
		s.Generation = "" // older versions had other words: the nodes are asked again
	}
	s.Nodes = slices.DeleteFunc(s.Nodes, func(n Node) bool { return !listing.UsableKeys(n.Ed25519, n.X25519) })
	if s.Failed == nil {
		s.Failed = make(map[Key]time.Time)
	}
	if s.Strikes == nil {
		s.Strikes = make(map[Key]map[Key]time.Time)
	}
	if s.Swarms == nil {
		s.Swarms = make(map[string]swarmEntry)
	}
	return s
}

// save writes the state, atomically, if it differs from the file. Of two processes that save, the later one wins. After
// a failure, save does not try again.
func (f *stateFile) save(s state) error {
	if f.path == "" {
		return nil
	}
	data, err := json.Marshal(s)
	if err == nil && bytes.Equal(data, f.content) {
		return nil
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(f.path), 0o700)
	}
	if err == nil {
		err = atomicfile.Write(f.path, data, 0o600)
	}
	if err != nil {
		f.path = ""
	}
	f.content = data
	return err
}

// StatePath returns the file in dir for a network with these seeds, in any order.
func StatePath(dir string, seeds []string) string {
	hash := sha256.New()
	for _, seed := range slices.Sorted(slices.Values(seeds)) {
		fmt.Fprintln(hash, seed)
	}
	return filepath.Join(dir, "network-"+hex.EncodeToString(hash.Sum(nil)[:8])+".json")
}
