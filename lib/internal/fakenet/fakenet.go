// Package fakenet is a network of fake service nodes for tests of clients. Each node has its own TLS port and speaks
// the onion protocol of a real node. The test scripts its answers with [Node.Answer]. A seed lists the nodes that the
// test chooses with [Network.List].
package fakenet

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
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/storagehttp"
	"sessiontool/lib/swarm"
	"sessiontool/lib/x25519"
)

// Network is a seed and its nodes. By default the seed lists all nodes, and all nodes form one swarm.
type Network struct {
	Nodes       []*Node
	seed        *httptest.Server
	relayClient *storagehttp.Client

	mu      sync.Mutex
	listed  []*Node
	swarms  func(*Node) swarm.SwarmID
	now     func() time.Time
	header  string // of the seed's responses, carries now
	asked   int    // requests to the seed
	hopTime time.Duration
}

// hopTimeout is how long a real node waits for the next one (storage-2.0.md section 7.4).
const hopTimeout = 10 * time.Second

// Start starts a seed and n nodes. They stop at the end of the test.
func Start(t testing.TB, n int) *Network {
	t.Helper()
	network := &Network{relayClient: storagehttp.NewClient(), now: time.Now, header: "Date", hopTime: hopTimeout}
	network.seed = httptest.NewServer(http.HandlerFunc(network.serveSeed))
	for range n {
		network.Nodes = append(network.Nodes, network.newNode(t))
	}
	network.listed = network.Nodes
	network.OneSwarm(network.Nodes...)
	t.Cleanup(func() {
		network.relayClient.Close()
		network.seed.Close()
		for _, node := range network.Nodes {
			node.Stop()
		}
		network.relayClient.Close()
	})
	return network
}

// SeedURL returns the URL of the seed's RPC.
func (n *Network) SeedURL() string { return n.seed.URL + nodelist.SeedPath }

// StopSeed closes the seed.
func (n *Network) StopSeed() { n.seed.Close() }

// List makes the seed list these nodes from now on.
func (n *Network) List(nodes ...*Node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listed = nodes
}

// OneSwarm makes the seed list the members as the only swarm. The other nodes are in none.
func (n *Network) OneSwarm(members ...*Node) {
	n.Swarms(func(node *Node) swarm.SwarmID {
		if slices.Contains(members, node) {
			return 1
		}
		return swarm.NoSwarm
	})
}

// Swarms makes the seed list each node in the swarm that of returns. With swarm.NoSwarm for all of them it gives no
// ring.
func (n *Network) Swarms(of func(*Node) swarm.SwarmID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.swarms = of
}

// ServeTime makes the seed send now() in the Date header of its responses. With nil it sends no time.
func (n *Network) ServeTime(now func() time.Time) { n.ServeTimeIn("Date", now) }

// ServeTimeIn is [Network.ServeTime] with another header than Date.
func (n *Network) ServeTimeIn(header string, now func() time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.header, n.now = header, now
}

// HopTime sets how long a node waits for the response of the next hop.
func (n *Network) HopTime(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hopTime = d
}

// SeedRequests returns how many requests the seed received.
func (n *Network) SeedRequests() int {
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
	states := make([]nodelist.State, len(n.listed))
	for i, node := range n.listed {
		states[i] = nodelist.State{
			PubkeyLegacy: node.Name(), PubkeyEd25519: node.Name(), PubkeyX25519: node.x25519.Public.String(),
			PublicIP: "127.0.0.1", StoragePort: node.port, SwarmID: uint64(n.swarms(node)), Active: true,
		}
	}
	json.NewEncoder(w).Encode(map[string]any{"result": nodelist.Result{States: states}})
}

// find returns the listed node with this name, and how long a node waits for its response.
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

// Swarm returns a response to get_snodes_for_pubkey, or the body of a 421, with these nodes.
func Swarm(nodes ...*Node) string {
	answer := rpc20.SwarmAnswer{Snodes: []storage.Snode{}}
	for _, node := range nodes {
		answer.Snodes = append(answer.Snodes, storage.Snode{
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

// Params are the parameters of a call by name. A string stands without quotes, any other value as JSON.
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
	relayed   int
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
	node.server.Config.ErrorLog = log.New(io.Discard, "", 0) // tests close connections
	node.server.StartTLS()
	node.port = uint16(node.server.Listener.Addr().(*net.TCPAddr).Port)
	return node
}

// Key is the node's Ed25519 public key, which identifies it.
func (n *Node) Key() [32]byte { return [32]byte(n.private.Public().(ed25519.PublicKey)) }

// Sign returns the base64 signature of the node's Ed25519 key, as members of a swarm sign in storage RPC 2.8.
func (n *Node) Sign(text []byte) string {
	return base64.StdEncoding.EncodeToString(ed25519.Sign(n.private, text))
}

// Name is the node's Ed25519 key in lower-case hex.
func (n *Node) Name() string {
	key := n.Key()
	return hex.EncodeToString(key[:])
}

// Answer sets the function that answers storage RPCs. If it returns status 0 the node sends its default answer.
func (n *Node) Answer(answer func(Call) (status int, body string)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answer = answer
}

// Intercept calls do first for every HTTP request. If do returns true it has answered the request.
func (n *Node) Intercept(do func(http.ResponseWriter, *http.Request) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.intercept = do
}

// Stop closes the node for good. Later connections to it are refused.
func (n *Node) Stop() {
	n.stop.Do(func() {
		n.server.CloseClientConnections()
		n.server.Close()
	})
}

// Calls returns the received calls of a method, oldest first.
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

// Relayed returns how many requests the node has relayed.
func (n *Node) Relayed() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.relayed
}

// ServeHTTP implements http.Handler.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["Date"] = nil // as storage server 2.0 does
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
		http.Error(w, onion.TextCiphertext, storage.StatusBadRequest)
	case layer.Step == onion.Relay:
		n.relay(r.Context(), w, version, layer)
	default:
		status, text := n.call(layer.Payload)
		sealed, err := layer.SealResponse(rand.Reader, status, text)
		if err != nil {
			panic(err) // the test's answer is not UTF-8
		}
		w.Write(sealed)
	}
}

// relay posts the contents of an opened layer to the next hop.
func (n *Node) relay(ctx context.Context, w http.ResponseWriter, version onion.Version, layer *onion.Layer) {
	n.mu.Lock()
	n.relayed++
	n.mu.Unlock()
	next, hopTime := n.network.find(layer.Destination)
	if next == nil {
		w.WriteHeader(storage.StatusBadGateway)
		fmt.Fprint(w, onion.TextNextNode+layer.Destination)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, hopTime)
	defer cancel()
	answer, err := n.network.relayClient.PostNode(ctx, "127.0.0.1", next.port, version.Path(), layer.Body)
	if err != nil {
		w.WriteHeader(storage.StatusTimeout)
		fmt.Fprint(w, onion.TextTimeout)
		return
	}
	w.WriteHeader(answer.Status)
	w.Write(answer.Body)
}

// call records and answers a storage RPC.
func (n *Node) call(payload []byte) (status int, body string) {
	var call Call
	if err := json.NewDecoder(bytes.NewReader(payload)).Decode(&call); err != nil {
		return storage.StatusBadRequest, err.Error()
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
	case storage.MethodSwarm:
		return storage.StatusOK, Swarm(n.network.Nodes...)
	case storage.MethodStore:
		return storage.StatusOK, `{"difficulty":1}`
	case storage.MethodRetrieve:
		return storage.StatusOK, `{"messages":[]}`
	}
	return storage.StatusBadRequest, "no method " + call.Method
}
