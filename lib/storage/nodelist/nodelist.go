// Package nodelist has the requests to a seed and its answers: the list of service nodes (storage-2.0.md section 1),
// and the registration of a node, which only this project's registry accepts.
package nodelist

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"

	"sessiontool/lib/storage"
	"sessiontool/lib/swarm"
)

// SeedPath is the path of a seed.
const SeedPath = "/json_rpc"

// Method requests the registered nodes from a seed. Endpoint requests them from a service node, which forwards the
// request to its blockchain node.
const (
	Method   = "get_n_service_nodes"
	Endpoint = "get_service_nodes"
)

// Params are the parameters of [Method] as clients send them. Fields names the fields that each entry must have.
type Params struct {
	ActiveOnly    bool            `json:"active_only,omitempty"`
	Limit         int             `json:"limit,omitempty"`
	PollBlockHash string          `json:"poll_block_hash,omitempty"`
	Fields        map[string]bool `json:"fields,omitempty"`
}

// State is one entry of a seed's list. Keys are lower-case hex. SwarmID 2^64-1 means that the node belongs to no swarm.
type State struct {
	PubkeyLegacy  string `json:"service_node_pubkey"`
	PubkeyEd25519 string `json:"pubkey_ed25519"`
	PubkeyX25519  string `json:"pubkey_x25519"`
	PublicIP      string `json:"public_ip"`
	StoragePort   uint16 `json:"storage_port"`
	SwarmID       uint64 `json:"swarm_id"`
	Funded        bool   `json:"funded"`
	Active        bool   `json:"active"`
}

// Result is the result of [Method]. If the list still has the requested PollBlockHash, it has Unchanged and not the
// list. Difficulty is the proof of work that the network's nodes require. Only this project's registry sends Difficulty,
// Generation, which is for clients, and Both: whether the nodes serve either generation.
type Result struct {
	States    []State `json:"service_node_states,omitempty"`
	BlockHash string  `json:"block_hash,omitempty"`
	Height    uint64  `json:"height,omitempty"`
	Hardfork  int     `json:"hardfork,omitempty"`
	Status    string  `json:"status,omitempty"`
	Unchanged bool    `json:"unchanged,omitempty"`

	Difficulty uint64             `json:"difficulty,omitempty"`
	Generation storage.Generation `json:"generation,omitempty"`
	Both       bool               `json:"both_generations,omitempty"`
}

// Query are the parameters of [Method] and [Endpoint] as the answering side reads them.
type Query struct {
	Fields        FieldSet `json:"fields"`
	Limit         int      `json:"limit"`
	ActiveOnly    bool     `json:"active_only"`
	PollBlockHash string   `json:"poll_block_hash"`
	Pubkeys       []string `json:"service_node_pubkeys"` // legacy keys of the requested nodes; none means all
}

// FieldSet names the requested fields of node list entries; nil means all. In JSON it is a map of names to true, as
// clients have sent it since 2020, or a list of names.
type FieldSet map[string]bool

// UnmarshalJSON implements json.Unmarshaler.
func (s *FieldSet) UnmarshalJSON(text []byte) error {
	*s = nil
	if bytes.Equal(text, []byte("null")) || json.Unmarshal(text, (*map[string]bool)(s)) == nil {
		return nil
	}
	var list []string
	if json.Unmarshal(text, &list) != nil {
		return errors.New("fields is neither a map of true nor a list of names")
	}
	*s = make(FieldSet)
	for _, name := range list {
		(*s)[name] = true
	}
	return nil
}

// Answer is the result of [Method] for clients of 2.8, which need Height.
type Answer struct {
	States    []map[string]any `json:"service_node_states"`
	Height    uint64           `json:"height"`
	BlockHash string           `json:"block_hash"`
	Hardfork  int              `json:"hardfork,omitempty"`
	Status    string           `json:"status"`

	Difficulty uint64             `json:"difficulty,omitempty"` // not in answers of real seeds, as are those below
	Generation storage.Generation `json:"generation,omitempty"`
	Both       bool               `json:"both_generations,omitempty"`
}

// Select makes the entries of the requested nodes, with the requested fields. If there are more than Limit, it returns
// Limit of them, chosen at random.
func (p Query) Select(states []State) []map[string]any {
	named := make(map[string]bool, len(p.Pubkeys)) // a map, because a client may name many
	for _, key := range p.Pubkeys {
		named[key] = true
	}
	entries := make([]map[string]any, 0, len(states))
	for _, state := range states {
		if (named[state.PubkeyLegacy] || len(named) == 0) && (state.Active || !p.ActiveOnly) {
			entries = append(entries, state.entry(p.Fields))
		}
	}
	if p.Limit > 0 && p.Limit < len(entries) {
		rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		entries = entries[:p.Limit]
	}
	return entries
}

// entry makes an entry of a node list. Nodes of 2020 require storage_lmq_port; here it repeats the storage port.
func (s State) entry(wanted FieldSet) map[string]any {
	all := map[string]any{
		"service_node_pubkey":     s.PubkeyLegacy,
		"pubkey_ed25519":          s.PubkeyEd25519,
		"pubkey_x25519":           s.PubkeyX25519,
		"public_ip":               s.PublicIP,
		"storage_port":            s.StoragePort,
		"storage_lmq_port":        s.StoragePort,
		"swarm_id":                s.SwarmID,
		"swarm":                   swarm.SwarmID(s.SwarmID).String(),
		"funded":                  s.Funded,
		"active":                  s.Active,
		"requested_unlock_height": 0,
	}
	if wanted == nil {
		return all
	}
	for name := range all {
		if !wanted[name] {
			delete(all, name)
		}
	}
	return all
}
