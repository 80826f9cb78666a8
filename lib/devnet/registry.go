package devnet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/internal/atomicfile"
	"sessiontool/lib/internal/regular"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/swarm"
)

const (
	// MaxNodes bounds the nodes of a network, with nodes from outside.
	MaxNodes = 1000
	// silentAfter is the time for which a node from outside stays listed without registering again.
	silentAfter = 5 * time.Minute
	// hardfork is that of the real network in the middle of 2020.
	hardfork = 15
)

// listing is a registered node as the registry keeps it.
type listing struct {
	nodelist.State
	// Own means that the node belongs to this devnet and has not joined from outside.
	Own bool `json:"own"`
	// RegisteredMS is the timestamp of the node's latest registration. The next one must have a later timestamp.
	RegisteredMS int64 `json:"registered_ms"`
}

// registry is the list of a network's nodes. It replaces the blockchain, which keeps the list of the real network. It
// is a [ring.Directory] and safe for concurrent use.
type registry struct {
	path      string
	swarmSize int
	now       func() time.Time

	generation storage.Generation // sent to clients
	both       bool               // whether the nodes serve both generations; sent to nodes that join
	seedTime   SeedTime

	admission admission

	since time.Time // start of this process

	mu         sync.Mutex
	state      registryState
	hash       string               // of state
	seen       map[string]time.Time // when nodes from outside registered last, since then
	difficulty uint64
}

// registryState is what the registry's file holds.
type registryState struct {
	Port   uint16    `json:"port"` // of the registry
	Height uint64    `json:"height"`
	Nodes  []listing `json:"nodes"`
}

// loadRegistry reads the registry kept at path, or makes an empty one. It returns [ring.ErrFolder] for a damaged file.
func loadRegistry(path string, swarmSize int, now func() time.Time) (*registry, error) {
	r := &registry{
		path: path, swarmSize: swarmSize, now: now, since: now(), seedTime: SeedDate, seen: make(map[string]time.Time),
		admission: newAdmission(),
	}
	data, err := regular.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, regular.ErrKind):
		return nil, fmt.Errorf("%w: %w", ring.ErrFolder, err)
	case err != nil:
		return nil, err
	default:
		if err := json.Unmarshal(data, &r.state); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ring.ErrFolder, path, err)
		}
		if err := r.state.check(); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ring.ErrFolder, path, err)
		}
	}
	r.hash = r.state.blockHash()
	return r, nil
}

// check returns an error for a list that no registry wrote.
func (s registryState) check() error {
	if len(s.Nodes) > MaxNodes {
		return fmt.Errorf("%d nodes are more than %d", len(s.Nodes), MaxNodes)
	}
	names := make(map[string]bool)
	for _, node := range s.Nodes {
		for _, key := range []string{node.PubkeyEd25519, node.PubkeyX25519, node.PubkeyLegacy} {
			if _, err := decodeKey(key); err != nil {
				return fmt.Errorf("key of a node %w", err)
			}
		}
		if ip := net.ParseIP(node.PublicIP); ip == nil || node.StoragePort == 0 || names[node.PubkeyEd25519] {
			return errors.New("a node has no address, or comes twice")
		}
		names[node.PubkeyEd25519] = true
	}
	return nil
}

// blockHash names a state of the list.
func (s registryState) blockHash() string {
	hash := sha256.New()
	fmt.Fprintln(hash, s.Height)
	for _, node := range s.Nodes {
		fmt.Fprintln(hash, node.PubkeyEd25519, node.PubkeyX25519, node.PublicIP, node.StoragePort, node.SwarmID)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// edited returns the list with edit applied, as the next block. The caller holds r.mu.
func (r *registry) edited(edit func(state *registryState) error) (registryState, error) {
	state := r.state
	state.Nodes = slices.Clone(state.Nodes)
	state.Height++
	return state, edit(&state)
}

// adopt makes state the list. The caller holds r.mu.
func (r *registry) adopt(state registryState) { r.state, r.hash = state, state.blockHash() }

// write makes state the content of the registry's file.
func (r *registry) write(state registryState) error {
	data, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.Write(r.path, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the registry: %w", err)
	}
	return nil
}

// keep writes the list as it stands.
func (r *registry) keep() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.write(r.state)
}

// setOwn makes states the devnet's own nodes and ignores their swarms. Listed nodes stay in their swarms; own nodes
// that are not in states are removed. port is that of the registry. Only keep writes the list to disk, because the
// folder may belong to another running devnet.
func (r *registry) setOwn(port uint16, states []nodelist.State) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	state, err := r.edited(func(state *registryState) error {
		state.Port = port
		before := make(map[string]listing)
		for _, node := range state.Nodes {
			before[node.PubkeyEd25519] = node
		}
		state.Nodes = slices.DeleteFunc(state.Nodes, func(node listing) bool { return node.Own })
		if len(state.Nodes)+len(states) > MaxNodes {
			return fmt.Errorf("%w: at most %d nodes", ErrRegistration, MaxNodes)
		}
		var fresh []nodelist.State
		for _, node := range states {
			if known, ok := before[node.PubkeyEd25519]; ok && known.Own {
				node.SwarmID = known.SwarmID
				state.Nodes = append(state.Nodes, listing{State: node, Own: true})
			} else {
				fresh = append(fresh, node)
			}
		}
		for i, id := range r.assignSwarms(state.Nodes, len(fresh)) {
			fresh[i].SwarmID = uint64(id)
			state.Nodes = append(state.Nodes, listing{State: fresh[i], Own: true})
		}
		return nil
	})
	if err == nil {
		r.adopt(state)
	}
	return err
}

// assignSwarms returns swarms for count new nodes: in a new network as many swarms as there can be of the intended
// size, evenly filled; otherwise as for nodes that join one by one.
func (r *registry) assignSwarms(nodes []listing, count int) []swarm.SwarmID {
	ids := make([]swarm.SwarmID, count)
	if len(nodes) == 0 {
		swarms := spread(max(1, count/r.swarmSize))
		for i := range ids {
			ids[i] = swarms[i%len(swarms)]
		}
		return ids
	}
	sizes := swarmSizes(nodes)
	for i := range ids {
		ids[i] = place(sizes, r.swarmSize)
		sizes[ids[i]]++
	}
	return ids
}

func swarmSizes(nodes []listing) map[swarm.SwarmID]int {
	sizes := make(map[swarm.SwarmID]int)
	for _, node := range nodes {
		if id := swarm.SwarmID(node.SwarmID); id != swarm.NoSwarm {
			sizes[id]++
		}
	}
	return sizes
}

// register lists a node that has answered a challenge. A new node gets a swarm; a known one may have a new address. It
// replaces another node from outside at the same address and port. register returns ErrRegistration, with the reason,
// for an announcement that is unsigned, incomplete, off the registry's clock, not newer than the node's latest, or over
// a limit.
func (r *registry) register(params nodelist.RegisterParams) error {
	if err := r.check(params); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	state, err := r.edited(func(state *registryState) error {
		if err := state.room(params); err != nil { // other nodes may have registered since check
			return err
		}
		state.Nodes = slices.DeleteFunc(state.Nodes, func(node listing) bool {
			return !node.Own && node.PubkeyEd25519 != params.PubkeyEd25519 &&
				node.PublicIP == params.PublicIP && node.StoragePort == params.StoragePort
		})
		i := slices.IndexFunc(state.Nodes, func(node listing) bool {
			return node.PubkeyEd25519 == params.PubkeyEd25519
		})
		if i < 0 {
			i = len(state.Nodes)
			state.Nodes = append(state.Nodes, listing{State: nodelist.State{
				PubkeyLegacy:  params.PubkeyEd25519,
				PubkeyEd25519: params.PubkeyEd25519,
				PubkeyX25519:  params.PubkeyX25519,
				SwarmID:       uint64(r.assignSwarms(state.Nodes, 1)[0]),
				Funded:        true,
				Active:        true,
			}})
		}
		node := &state.Nodes[i]
		if node.PublicIP == params.PublicIP && node.StoragePort == params.StoragePort {
			state.Height = r.state.Height // the list that others see is unchanged
		}
		node.PublicIP, node.StoragePort, node.RegisteredMS = params.PublicIP, params.StoragePort, params.TimestampMS
		return nil
	})
	if err == nil {
		err = r.write(state)
	}
	if err == nil {
		r.adopt(state)
		r.seen[params.PubkeyEd25519] = r.now()
	}
	return err
}

// dropSilent removes nodes from outside that have not registered for silentAfter, and returns their names. The time
// while no registry ran does not count.
func (r *registry) dropSilent() (dropped []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := r.now().Add(-silentAfter)
	state, err := r.edited(func(state *registryState) error {
		state.Nodes = slices.DeleteFunc(state.Nodes, func(node listing) bool {
			seen, ok := r.seen[node.PubkeyEd25519]
			if !ok {
				seen = r.since
			}
			silent := !node.Own && seen.Before(oldest)
			if silent {
				dropped = append(dropped, node.PubkeyEd25519)
			}
			return silent
		})
		return nil
	})
	if err != nil || len(dropped) == 0 {
		return nil, err
	}
	if err := r.write(state); err != nil {
		return nil, err
	}
	r.adopt(state)
	for _, name := range dropped {
		delete(r.seen, name)
	}
	return dropped, nil
}

// setDifficulty sets the difficulty in the registry's answers.
func (r *registry) setDifficulty(difficulty uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.difficulty = difficulty
}

// Nodes implements [ring.Directory]. It never fails.
func (r *registry) Nodes(_ context.Context, lastHash string) (*nodelist.Result, error) {
	return r.list(lastHash), nil
}

// list returns the list, or only that it is unchanged since lastHash.
func (r *registry) list(lastHash string) *nodelist.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	if lastHash == r.hash {
		return &nodelist.Result{Unchanged: true, Difficulty: r.difficulty, Generation: r.generation, Both: r.both}
	}
	states := make([]nodelist.State, len(r.state.Nodes))
	for i, node := range r.state.Nodes {
		states[i] = node.State
	}
	return &nodelist.Result{
		States: states, BlockHash: r.hash, Height: r.state.Height, Hardfork: hardfork, Status: "OK",
		Difficulty: r.difficulty, Generation: r.generation, Both: r.both,
	}
}

// port returns the registry's port of last time, or 0.
func (r *registry) port() uint16 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state.Port
}

// find returns the listing of the node called name (its Ed25519 key in lower-case hex).
func (r *registry) find(name string) (listing, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.state.Nodes, func(node listing) bool { return node.PubkeyEd25519 == name })
	if i < 0 {
		return listing{}, false
	}
	return r.state.Nodes[i], true
}
