package network

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sessiontool/lib/sessionid"
)

// How long what was learned stays good without being checked again. A wrong guess costs one more request.
const (
	nodesFreshFor = 6 * time.Hour
	swarmFreshFor = 24 * time.Hour
	badFor        = 10 * time.Minute
)

// maxSwarms bounds the swarm cache; the oldest entries go first.
const maxSwarms = 4096

// state is what a client remembers between runs: a cache, and the guards, which must not change from run to run.
type state struct {
	Nodes      []Node                `json:"nodes"`
	FetchedAt  time.Time             `json:"fetched_at"`
	Guards     []Key                 `json:"guards"`
	Bad        map[Key]time.Time     `json:"bad"`
	Swarms     map[string]swarmEntry `json:"swarms"`
	Difficulty int64                 `json:"difficulty"`
	OffsetMS   int64                 `json:"clock_offset_ms"`
}

// swarmEntry is a cached swarm.
type swarmEntry struct {
	Members []Key     `json:"members"`
	At      time.Time `json:"at"`
}

// swarmName hides whose swarm is cached from a casual reader of the file.
func swarmName(id sessionid.ID) string {
	sum := sha256.Sum256(id[:])
	return hex.EncodeToString(sum[:16])
}

// loadState reads path. A file that is absent or unreadable is as good as an empty one: it is a cache.
func loadState(path string) state {
	var s state
	if path != "" {
		if data, err := os.ReadFile(path); err == nil {
			if json.Unmarshal(data, &s) != nil {
				s = state{}
			}
		}
	}
	if s.Bad == nil {
		s.Bad = make(map[Key]time.Time)
	}
	if s.Swarms == nil {
		s.Swarms = make(map[string]swarmEntry)
	}
	return s
}

// save writes the state whole or not at all; of two processes the later one wins.
func (s state) save(path string) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, ".network-*")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name())
		return fmt.Errorf("saving what is known of the network: %w", err)
	}
	return nil
}

// StatePath returns the file in dir for a network with these seeds.
func StatePath(dir string, seeds []string) string {
	hash := sha256.New()
	for _, seed := range seeds {
		fmt.Fprintln(hash, seed)
	}
	return filepath.Join(dir, "network-"+hex.EncodeToString(hash.Sum(nil)[:8])+".json")
}
