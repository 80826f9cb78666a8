// Package puppet is a network of service nodes for tests of clients. Each node speaks the onion protocol like a real one,
// on a TLS port of its own, and answers what the test tells it to; a seed lists those that the test wants to be listed.
package puppet

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"sessiontool/lib/onion"
	"sessiontool/lib/rpc"
	"sessiontool/lib/x25519"
)

// Network is a seed and its nodes. By default it lists all of them, and all are one swarm.
type Network struct {
	Nodes []*Node
	seed  *httptest.Server
	relay *rpc.Client

	mu      sync.Mutex
	listed  []*Node
	now     func() time.Time
	header  string // in which the seed gives now
	asked   int
	hopTime time.Duration
}

// hopTimeout is how long a real node waits for the next one (storage-2.0.md section 7.4).
const hopTimeout = 10 * time.Second

// Start starts a seed and n nodes, which the test's end closes.
func Start(t testing.TB, n int) *Network {
	t.Helper()
	network := &Network{relay: rpc.NewClient(), now: time.Now, header: "Date", hopTime: hopTimeout}
	network.seed = httptest.NewServer(http.HandlerFunc(network.serveSeed))
	for range n {
		network.Nodes = append(network.Nodes, network.newNode(t))
	}
	network.listed = network.Nodes
	t.Cleanup(func() {
		network.relay.Close()
		network.seed.Close()
		for _, node := range network.Nodes {
			node.Stop()
		}
		network.relay.Close()
	})
	return network
}

// SeedURL returns where the seed answers.
func (n *Network) SeedURL() string { return n.seed.URL + rpc.SeedPath }

// StopSeed closes the seed.
func (n *Network) StopSeed() { n.seed.Close() }

// List makes the seed list these nodes from now on.
func (n *Network) List(nodes ...*Node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listed = nodes
}

// Tell makes the seed tell this time; with nil it tells none.
func (n *Network) Tell(now func() time.Time) { n.TellIn("Date", now) }

// TellIn is Tell in another header than Date.
func (n *Network) TellIn(header string, now func() time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.header, n.now = header, now
}

// HopTime makes nodes wait this long for the next one.
func (n *Network) HopTime(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hopTime = d
}

// Asked returns how often the seed was asked.
func (n *Network) Asked() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

func (n *Network) serveSeed(w http.ResponseWriter, _ *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	w.Header()["Date"] = nil
	if n.now != nil {
		w.Header().Set(n.header, n.now().UTC().Format(http.TimeFormat))
	}
	states := make([]rpc.NodeState, len(n.listed))
	for i, node := range n.listed {
		states[i] = rpc.NodeState{
			PubkeyLegacy: node.Name(), PubkeyEd25519: node.Name(), PubkeyX25519: node.x25519.Public.String(),
			PublicIP: "127.0.0.1", StoragePort: node.port, SwarmID: 1, Active: true,
		}
	}
	json.NewEncoder(w).Encode(map[string]any{"result": rpc.ServiceNodesResult{States: states}})
}

// find returns the listed node with this name, and how long to wait for it.
func (n *Network) find(name string) (*Node, time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, node := range n.listed {
		if node.Name() == name {
			return node, n.hopTime
		}
	}
	return nil, 0
}

// Swarm is the answer to get_snodes_for_pubkey, or the body of a 421, that names these nodes.
func Swarm(nodes ...*Node) string {
	answer := rpc.SwarmAnswer{Snodes: []rpc.Snode{}}
	for _, node := range nodes {
		answer.Snodes = append(answer.Snodes, rpc.Snode{
			IP: "127.0.0.1", Port: strconv.Itoa(int(node.port)),
			PubkeyEd25519: node.Name(), PubkeyX25519: node.x25519.Public.String(),
		})
	}
	text, err := json.Marshal(answer)
	if err != nil {
		panic(err) // it consists of strings
	}
	return string(text)
}

// Call is a storage RPC that reached a node.
type Call struct {
	Method string
	Params Params
}

// Params are the parameters of a call by name: texts as they are, anything else as its JSON.
type Params map[string]string

// UnmarshalJSON implements json.Unmarshaler.
func (p *Params) UnmarshalJSON(data []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	*p = make(Params, len(raw))
	for name, value := range raw {
		text := string(value)
		if value[0] == '"' {
			if err := json.Unmarshal(value, &text); err != nil {
				return err
			}
		}
		(*p)[name] = text
	}
	return nil
}

// Node is one service node.
type Node struct {
	network *Network
	private ed25519.PrivateKey
	x25519  x25519.KeyPair
	server  *httptest.Server
	port    uint16
	stop    sync.Once

	mu        sync.Mutex
	answer    func(Call) (status int, body string)
	intercept func(http.ResponseWriter, *http.Request) bool
	calls     []Call
	passed    int
}

func (n *Network) newNode(t testing.TB) *Node {
	t.Helper()
	node := &Node{network: n}
	var err error
	if _, node.private, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	if node.x25519, err = x25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	node.server = httptest.NewUnstartedServer(node)
	node.server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that hang up are expected
	node.server.StartTLS()
	node.port = uint16(node.server.Listener.Addr().(*net.TCPAddr).Port)
	return node
}

// Key is the node's Ed25519 key, by which it is known.
func (n *Node) Key() [32]byte { return [32]byte(n.private.Public().(ed25519.PublicKey)) }

// Sign signs with the node's Ed25519 key, in base64, as members of a swarm do on today's network.
func (n *Node) Sign(text []byte) string {
	return base64.StdEncoding.EncodeToString(ed25519.Sign(n.private, text))
}

// Name is the node's Ed25519 key in lower-case hex.
func (n *Node) Name() string {
	key := n.Key()
	return hex.EncodeToString(key[:])
}

// Answer makes the node answer storage RPCs like this. A status of 0 answers as by default.
func (n *Node) Answer(answer func(Call) (status int, body string)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answer = answer
}

// Intercept shows every HTTP request to do first, which answers it itself if it returns true.
func (n *Node) Intercept(do func(http.ResponseWriter, *http.Request) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.intercept = do
}

// Stop closes the node for good: connections to it are refused.
func (n *Node) Stop() {
	n.stop.Do(func() {
		n.server.CloseClientConnections()
		n.server.Close()
	})
}

// Calls returns the calls of a method that came, oldest first.
func (n *Node) Calls(method string) (calls []Call) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, call := range n.calls {
		if call.Method == method {
			calls = append(calls, call)
		}
	}
	return calls
}

// Passed returns how many requests the node has passed on.
func (n *Node) Passed() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.passed
}

// ServeHTTP implements http.Handler.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["Date"] = nil // nodes of 2020 send none
	n.mu.Lock()
	intercept := n.intercept
	n.mu.Unlock()
	if intercept != nil && intercept(w, r) {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	version := onion.V2
	if r.URL.Path == onion.V1.Path() {
		version = onion.V1
	}
	layer, err := onion.Open(version, n.x25519, body)
	switch {
	case err != nil:
		http.Error(w, onion.TextCiphertext, rpc.StatusBadRequest)
	case layer.Step == onion.Relay:
		n.pass(r.Context(), w, version, layer)
	default:
		status, text := n.call(layer.Payload)
		sealed, err := layer.SealResponse(rand.Reader, status, text)
		if err != nil {
			panic(err) // the test's answer is not UTF-8
		}
		w.Write(sealed)
	}
}

// pass posts what was under a layer to the next hop.
func (n *Node) pass(ctx context.Context, w http.ResponseWriter, version onion.Version, layer *onion.Layer) {
	n.mu.Lock()
	n.passed++
	n.mu.Unlock()
	next, hopTime := n.network.find(layer.Destination)
	if next == nil {
		w.WriteHeader(rpc.StatusBadGateway)
		fmt.Fprint(w, onion.TextNextNode+layer.Destination)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, hopTime)
	defer cancel()
	answer, err := n.network.relay.PostNode(ctx, "127.0.0.1", next.port, version.Path(), layer.Body)
	if err != nil {
		w.WriteHeader(rpc.StatusTimeout)
		fmt.Fprint(w, onion.TextTimeout)
		return
	}
	w.WriteHeader(answer.Status)
	w.Write(answer.Body)
}

// call answers a storage RPC.
func (n *Node) call(payload []byte) (status int, body string) {
	var call Call
	if err := json.NewDecoder(bytes.NewReader(payload)).Decode(&call); err != nil {
		return rpc.StatusBadRequest, err.Error()
	}
	n.mu.Lock()
	n.calls = append(n.calls, call)
	answer := n.answer
	n.mu.Unlock()
	if answer != nil {
		if status, body = answer(call); status != 0 {
			return status, body
		}
	}
	switch call.Method {
	case rpc.MethodSwarm:
		return rpc.StatusOK, Swarm(n.network.Nodes...)
	case rpc.MethodStore:
		return rpc.StatusOK, `{"difficulty":1}`
	case rpc.MethodRetrieve:
		return rpc.StatusOK, `{"messages":[]}`
	}
	return rpc.StatusBadRequest, "no method " + call.Method
}
