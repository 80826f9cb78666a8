package devnet

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"sessiontool/lib/internal/atomicfile"
	"sessiontool/lib/internal/clients"
	"sessiontool/lib/swarm"
)

const (
	// controlFile has the URL of a running devnet's control endpoint and its token. Its mode is 0600.
	controlFile = "control.json"
	controlPath = "/control/v1"
	// maxControlBody bounds an order, and what a client reads of its result.
	maxControlBody = 4 << 20
	// maxOrderTime bounds the time of an order. A restart of every node of a large network takes minutes.
	maxOrderTime = 5 * time.Minute
)

// controlNote is the content of controlFile.
type controlNote struct {
	URL   string `json:"url"`
	Token string `json:"token"`
	PID   int    `json:"pid"`
}

// order is a command to a devnet: one of its fields but Nodes is set, or none to request the status.
type order struct {
	Set        *Fault      `json:"set,omitempty"`
	Clear      bool        `json:"clear,omitempty"`
	Kinds      []FaultKind `json:"kinds,omitempty"` // of faults to clear
	Difficulty uint64      `json:"difficulty,omitempty"`
	Nodes      []string    `json:"nodes,omitempty"` // for Set and Clear

	Page      *PageOptions `json:"page,omitempty"`
	ClosePage bool         `json:"close_page,omitempty"`
	States    bool         `json:"states,omitempty"`
}

// result is the result of an order. Faults are those that were set or cleared, or all present ones.
type result struct {
	Error  string      `json:"error,omitempty"`
	Kind   string      `json:"kind,omitempty"` // of the error: "node", "fault", "page" or empty
	Status Status      `json:"status"`
	Faults []NodeFault `json:"faults"`

	States []NodeState `json:"states,omitempty"`
}

// Status counts the nodes and swarms of a network, with nodes from outside, and says what all its own nodes have in
// common.
type Status struct {
	PageURL    string   `json:"page_url,omitempty"` // of the open page
	Nodes      int      `json:"nodes"`
	Swarms     int      `json:"swarms"`
	Difficulty uint64   `json:"difficulty"`
	Distance   Distance `json:"distance"`
}

// Status counts the listed nodes and their swarms, and returns the present distance.
func (n *Network) Status() Status {
	status := n.counts()
	status.PageURL = n.PageURL()
	return status
}

// counts returns the status without the page, for callers that run while a page opens or closes.
func (n *Network) counts() Status {
	list := n.registry.list("")
	swarms := make(map[uint64]bool)
	for _, state := range list.States {
		if state.SwarmID != uint64(swarm.NoSwarm) {
			swarms[state.SwarmID] = true
		}
	}
	return Status{
		Nodes: len(list.States), Swarms: len(swarms), Difficulty: list.Difficulty, Distance: n.distance(),
	}
}

// endpoint accepts orders for a network over HTTP on 127.0.0.1. The token in controlFile authorizes a client.
type endpoint struct {
	network *Network
	address string // host and port
	token   string
	file    string
	server  *http.Server
	done    chan struct{}
	ended   context.CancelFunc
}

// openEndpoint starts an endpoint and writes controlFile.
func openEndpoint(n *Network) (*endpoint, error) {
	var token [32]byte
	rand.Read(token[:]) // never fails
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &endpoint{
		network: n, address: listener.Addr().String(), token: hex.EncodeToString(token[:]),
		file: filepath.Join(n.options.Dir, controlFile), done: make(chan struct{}),
	}
	note, err := json.Marshal(controlNote{URL: e.url(), Token: e.token, PID: os.Getpid()})
	if err == nil {
		err = atomicfile.Write(e.file, append(note, '\n'), 0o600)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the control endpoint: %w", err), listener.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.ended = cancel
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+controlPath, e.serve)
	e.server = &http.Server{
		Handler:     clients.RefuseBrowsers(mux),
		ReadTimeout: 10 * time.Second, WriteTimeout: maxOrderTime + 10*time.Second, MaxHeaderBytes: 8 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	go func() {
		defer close(e.done)
		if err := e.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			n.options.Logger.Error("control endpoint has stopped", "error", err)
		}
	}()
	return e, nil
}

func (e *endpoint) url() string { return "http://" + e.address + controlPath }

// close ends the endpoint and cancels running orders. Closing again does nothing.
func (e *endpoint) close(ctx context.Context) error {
	e.ended()
	if e.server.Shutdown(ctx) != nil {
		e.server.Close() // what is left are clients that keep a connection open
	}
	<-e.done
	if err := os.Remove(e.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (e *endpoint) serve(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+e.token)) != 1 {
		http.Error(w, "the token is not this network's", http.StatusUnauthorized)
		return
	}
	var o order
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBody)).Decode(&o); err != nil {
		http.Error(w, "order cannot be read", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), maxOrderTime)
	defer cancel()
	answer, err := json.Marshal(e.network.execute(ctx, o))
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(answer) // the client notices an error
}

// execute executes an order.
func (n *Network) execute(ctx context.Context, o order) (done result) {
	var err error
	switch {
	case o.Set != nil:
		done.Faults, err = n.SetFault(ctx, o.Nodes, *o.Set)
	case o.Clear:
		done.Faults, err = n.ClearFaults(ctx, o.Nodes, o.Kinds...)
	case o.States:
		done.States, err = n.States()
	case o.Difficulty != 0:
		err = n.SetDifficulty(o.Difficulty)
	case o.Page != nil:
		_, err = n.OpenPage(*o.Page)
	case o.ClosePage:
		err = n.ClosePage(ctx)
	default:
		done.Faults = n.Faults()
	}
	done.Status = n.Status()
	switch {
	case errors.Is(err, ErrNode):
		done.Kind = kindNode
	case errors.Is(err, ErrFault):
		done.Kind = kindFault
	case errors.Is(err, ErrPage):
		done.Kind = kindPage
	}
	if err != nil {
		done.Error = err.Error()
	}
	return done
}
