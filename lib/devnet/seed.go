package devnet

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"sessiontool/lib/rpc"
	"sessiontool/lib/swarm"
)

// maxSeedBody bounds a request to the registry.
const maxSeedBody = 64 << 10

// JSON-RPC error codes.
const (
	codeParse   = -32700
	codeMethod  = -32601
	codeParams  = -32602
	codeRefused = -32000
)

// rpcError is the error member of an answer.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// newSeedServer serves the registry as a seed node serves the list of the real network: POST /json_rpc (client notes,
// sections 2 and 14; node notes, section 10), and takes registrations besides.
func newSeedServer(registry *registry, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+rpc.SeedPath, registry.serve)
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       20 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// serve answers one JSON-RPC request. Errors of the call, too, come with HTTP status 200.
func (r *registry) serve(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxSeedBody))
	if err != nil {
		http.Error(w, "request cannot be read", http.StatusBadRequest)
		return
	}
	answer, err := json.Marshal(r.answer(body))
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/json") // exactly: 2020 clients read nothing else as JSON
	header.Set("Content-Length", strconv.Itoa(len(answer)))
	w.Write(answer) // an error here is the client's to notice
}

// seedAnswer is a JSON-RPC answer.
type seedAnswer struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

func (r *registry) answer(body []byte) seedAnswer {
	answer := seedAnswer{JSONRPC: "2.0", ID: json.RawMessage("null")}
	var call struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(body, &call); err != nil {
		answer.Error = &rpcError{codeParse, "Parse error"}
		return answer
	}
	if len(call.ID) > 0 {
		answer.ID = call.ID
	}
	switch call.Method {
	case rpc.MethodServiceNodes:
		answer.Result, answer.Error = r.serveNodes(call.Params)
	case rpc.MethodRegisterNode:
		answer.Result, answer.Error = r.serveRegister(call.Params)
	default:
		answer.Error = &rpcError{codeMethod, "Method not found"}
	}
	return answer
}

// nodesParams are those of get_n_service_nodes. Fields is a map of names to true, as clients have sent it since 2020, or a
// list of names; without it entries have all fields.
type nodesParams struct {
	Fields        json.RawMessage `json:"fields"`
	Limit         int             `json:"limit"`
	ActiveOnly    bool            `json:"active_only"`
	PollBlockHash string          `json:"poll_block_hash"`
}

// nodesResult is the result of get_n_service_nodes. Today's clients want the height.
type nodesResult struct {
	States    []map[string]any `json:"service_node_states"`
	Height    uint64           `json:"height"`
	BlockHash string           `json:"block_hash"`
	Hardfork  int              `json:"hardfork"`
	Status    string           `json:"status"`

	Difficulty uint64 `json:"difficulty"` // ours alone
}

func (r *registry) serveNodes(raw json.RawMessage) (any, *rpcError) {
	var params nodesParams
	if err := unmarshalParams(raw, &params); err != nil {
		return nil, &rpcError{codeParams, "Invalid params"}
	}
	wanted, err := wantedFields(params.Fields)
	if err != nil {
		return nil, &rpcError{codeParams, err.Error()}
	}
	list := r.list(params.PollBlockHash)
	if list.Unchanged {
		return list, nil
	}
	states := make([]map[string]any, 0, len(list.States))
	for _, state := range list.States {
		if state.Active || !params.ActiveOnly {
			states = append(states, selectFields(state, wanted))
		}
	}
	if params.Limit > 0 && params.Limit < len(states) {
		rand.Shuffle(len(states), func(i, j int) { states[i], states[j] = states[j], states[i] })
		states = states[:params.Limit]
	}
	return nodesResult{states, list.Height, list.BlockHash, list.Hardfork, list.Status, list.Difficulty}, nil
}

// unmarshalParams leaves v as it is where there are no params.
func unmarshalParams(raw json.RawMessage, v any) error {
	if len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, v)
}

// wantedFields returns the set of names that raw selects, or nil for all.
func wantedFields(raw json.RawMessage) (map[string]bool, error) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	var named map[string]bool
	if json.Unmarshal(raw, &named) == nil {
		return named, nil
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return nil, errors.New("fields is neither a map of true nor a list of names")
	}
	named = make(map[string]bool)
	for _, name := range list {
		named[name] = true
	}
	return named, nil
}

// selectFields makes an entry of the list. storage_lmq_port is what nodes of 2020 look for; here it is no other port.
func selectFields(state rpc.NodeState, wanted map[string]bool) map[string]any {
	all := map[string]any{
		"service_node_pubkey":     state.PubkeyLegacy,
		"pubkey_ed25519":          state.PubkeyEd25519,
		"pubkey_x25519":           state.PubkeyX25519,
		"public_ip":               state.PublicIP,
		"storage_port":            state.StoragePort,
		"storage_lmq_port":        state.StoragePort,
		"swarm_id":                state.SwarmID,
		"swarm":                   swarm.SwarmID(state.SwarmID).String(),
		"funded":                  state.Funded,
		"active":                  state.Active,
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

func (r *registry) serveRegister(raw json.RawMessage) (any, *rpcError) {
	var params rpc.RegisterParams
	if err := unmarshalParams(raw, &params); err != nil {
		return nil, &rpcError{codeParams, "Invalid params"}
	}
	if err := r.register(params); err != nil {
		return nil, &rpcError{codeRefused, err.Error()}
	}
	return map[string]string{"status": "OK"}, nil
}
