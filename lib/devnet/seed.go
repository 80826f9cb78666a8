package devnet

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"sessiontool/lib/internal/clients"
	"sessiontool/lib/storage/nodelist"
)

// maxSeedBody bounds a request to the registry.
const maxSeedBody = 64 << 10

// JSON-RPC error codes. Package nodelist has those of registrations.
const (
	codeParse  = -32700
	codeMethod = -32601
	codeParams = -32602
)

// methodAllServiceNodes is one more name of nodelist.Method, as nodelist.Endpoint is
// (storage-2.8.md section 10).
const methodAllServiceNodes = "get_all_service_nodes"

// rpcError is the error member of an answer.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// newSeedServer serves the registry as a seed node serves the list of the real network: POST /json_rpc
// (signal-2020.md section 2.3; session-v1.md section 8; storage-2.0.md section 10). It also accepts registrations.
func newSeedServer(registry *registry, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+nodelist.SeedPath, registry.serve)
	return &http.Server{
		Handler:           clients.RefuseBrowsers(mux),
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
	r.seedTime.setHeader(w.Header(), r.now())
	if !r.admission.requests.Allow(request.RemoteAddr, r.now()) {
		http.Error(w, "too many requests", http.StatusTooManyRequests)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxSeedBody))
	if err != nil {
		http.Error(w, "request cannot be read", http.StatusBadRequest)
		return
	}
	answer, err := json.Marshal(r.answer(request.Context(), request.RemoteAddr, body))
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/json") // exactly: 2020 clients accept no other type
	header.Set("Content-Length", strconv.Itoa(len(answer)))
	w.Write(answer) // the client notices an error
}

// seedAnswer is a JSON-RPC answer.
type seedAnswer struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

// answer answers one request, which came from a host and port, remote.
func (r *registry) answer(ctx context.Context, remote string, body []byte) seedAnswer {
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
	case nodelist.Method, nodelist.Endpoint, methodAllServiceNodes:
		answer.Result, answer.Error = r.serveNodes(call.Params)
	case nodelist.MethodRegister:
		answer.Result, answer.Error = r.serveRegister(ctx, remote, call.Params)
	default:
		answer.Error = &rpcError{codeMethod, "Method not found"}
	}
	return answer
}

func (r *registry) serveNodes(raw json.RawMessage) (any, *rpcError) {
	var params nodelist.Query
	if err := unmarshalParams(raw, &params); err != nil {
		return nil, &rpcError{codeParams, "Invalid params"}
	}
	list := r.list(params.PollBlockHash)
	if list.Unchanged {
		return list, nil
	}
	return nodelist.Answer{
		States: params.Select(list.States), Height: list.Height, BlockHash: list.BlockHash, Hardfork: list.Hardfork,
		Status: list.Status, Difficulty: list.Difficulty, Generation: list.Generation, Both: list.Both,
	}, nil
}

// unmarshalParams leaves v as it is where there are no params.
func unmarshalParams(raw json.RawMessage, v any) error {
	if len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, v)
}

func (r *registry) serveRegister(ctx context.Context, remote string, raw json.RawMessage) (any, *rpcError) {
	var params nodelist.RegisterParams
	if err := unmarshalParams(raw, &params); err != nil {
		return nil, &rpcError{codeParams, "Invalid params"}
	}
	switch err := r.announce(ctx, remote, params); {
	case errors.Is(err, errBusyRegistry):
		return nil, &rpcError{nodelist.CodeRegistrationBusy, err.Error()}
	case errors.Is(err, errRegistrationClock):
		return nil, &rpcError{nodelist.CodeRegistrationClock, err.Error()}
	case err != nil:
		return nil, &rpcError{nodelist.CodeRegistrationRefused, err.Error()}
	}
	return map[string]string{"status": "OK"}, nil
}
