package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"sessiontool/lib/internal/await"
	"sessiontool/lib/internal/leakcheck"
	"sessiontool/lib/internal/loopback"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/pow"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
	"sessiontool/lib/swarm"
)

// listDirectory is a Directory whose list the test sets.
type listDirectory struct {
	mu     sync.Mutex
	result nodelist.Result
}

func (d *listDirectory) Nodes(_ context.Context, lastHash string) (*nodelist.Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if lastHash != "" && lastHash == d.result.BlockHash {
		return &nodelist.Result{Unchanged: true}, nil
	}
	result := d.result
	return &result, nil
}

func (d *listDirectory) set(states ...nodelist.State) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.result = nodelist.Result{States: slices.Clone(states), Height: d.result.Height + 1,
		BlockHash: fmt.Sprint("block ", d.result.Height+1)}
}

func (d *listDirectory) blockHash() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.result.BlockHash
}

// testNetwork is nodes that know each other, at addresses of which they can be sure when they come back.
type testNetwork struct {
	t         testing.TB
	directory *listDirectory
	states    []nodelist.State
	configs   []Config
	nodes     []*Node
	client    *http.Client
}

// startNetwork starts one node for each entry of swarms, which says where it belongs. adjust may change what a node
// is made of. At the end of the test all is closed and no goroutine may be left.
func startNetwork(t testing.TB, swarms []swarm.SwarmID, adjust func(i int, config *Config)) *testNetwork {
	t.Helper()
	leakcheck.Check(t)
	network := &testNetwork{t: t, directory: &listDirectory{}, client: newClient()}
	root := t.TempDir()
	var listeners []net.Listener
	for i, id := range swarms {
		dir := filepath.Join(root, strconv.Itoa(i))
		keys, err := ring.LoadKeys(dir, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		listener := listen(t, loopback.Own()+":0")
		listeners = append(listeners, listener)
		network.states = append(network.states, nodeState(keys, listener.Addr().(*net.TCPAddr), id))
		config := Config{DataDir: dir, Directory: network.directory, PollInterval: 10 * time.Millisecond}
		if adjust != nil {
			adjust(i, &config)
		}
		network.configs = append(network.configs, config)
	}
	network.directory.set(network.states...)
	network.nodes = make([]*Node, len(swarms))
	t.Cleanup(network.close)
	for i, listener := range listeners {
		network.start(i, listener)
	}
	return network
}

// newClient makes an HTTP client that trusts every server, as clients of nodes do.
func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: (&net.Dialer{}).DialContext,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true,
			ClientSessionCache: tls.NewLRUClientSessionCache(64)},
		MaxIdleConnsPerHost: 64,
	}}
}

func nodeState(keys ring.Keys, addr *net.TCPAddr, id swarm.SwarmID) nodelist.State {
	return nodelist.State{
		PubkeyLegacy:  keys.Name(),
		PubkeyEd25519: keys.Name(),
		PubkeyX25519:  keys.X25519.Public.String(),
		PublicIP:      addr.IP.String(),
		StoragePort:   uint16(addr.Port),
		SwarmID:       uint64(id),
		Funded:        true,
		Active:        id != swarm.NoSwarm,
	}
}

func listen(t testing.TB, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func (n *testNetwork) start(i int, listener net.Listener) {
	n.t.Helper()
	config := n.configs[i]
	config.Listener = listener
	node, err := Start(n.t.Context(), config)
	if err != nil {
		n.t.Fatal(err)
	}
	n.nodes[i] = node
}

// stop closes node i; restart starts it again at the same port.
func (n *testNetwork) stop(i int) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := n.nodes[i].Close(ctx); err != nil {
		n.t.Error(err)
	}
}

func (n *testNetwork) restart(i int) {
	n.t.Helper()
	n.start(i, listen(n.t, n.address(i)))
}

func (n *testNetwork) address(i int) string {
	return net.JoinHostPort(n.states[i].PublicIP, strconv.Itoa(int(n.states[i].StoragePort)))
}

func (n *testNetwork) close() {
	n.client.CloseIdleConnections()
	var closing sync.WaitGroup
	for i, node := range n.nodes {
		if node != nil {
			closing.Go(func() { n.stop(i) })
		}
	}
	closing.Wait()
}

// reply is an HTTP answer.
type reply struct {
	status      int
	contentType []string // nil if there is none
	body        string
}

// do makes one HTTP request to node i.
func (n *testNetwork) do(i int, method, path string, header http.Header, body []byte) reply {
	n.t.Helper()
	got, err := n.try(i, method, path, header, body)
	if err != nil {
		n.t.Fatal(err)
	}
	return got
}

func (n *testNetwork) try(i int, method, path string, header http.Header, body []byte) (reply, error) {
	return n.tryAt(n.address(i), method, path, header, body)
}

func (n *testNetwork) tryAt(address, method, path string, header http.Header, body []byte) (reply, error) {
	request, err := http.NewRequest(method, "https://"+address+path, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if header != nil {
		request.Header = header
	}
	response, err := n.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header["Content-Type"], string(text)}, err
}

func (n *testNetwork) post(i int, body string) reply {
	n.t.Helper()
	return n.do(i, http.MethodPost, storage.RPCPath, nil, []byte(body))
}

// call posts a storage RPC request.
func (n *testNetwork) call(i int, method string, params any) reply {
	n.t.Helper()
	return n.post(i, string(request(n.t, method, params)))
}

func request(t testing.TB, method string, params any) []byte {
	t.Helper()
	body, err := storage.NewRequest(method, params)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// user is a client that stores and retrieves.
type user struct{ sessionid.Keys }

// newUser draws users until one belongs to the swarm id among ids.
func newUser(t testing.TB, id swarm.SwarmID, ids ...swarm.SwarmID) user {
	t.Helper()
	for {
		seed, err := sessionid.GenerateSeed(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys := sessionid.KeysFromSeed(seed)
		if chosen, ok := swarm.Choose(swarm.Position(keys.X25519.Public), ids); !ok || chosen == id {
			return user{keys}
		}
	}
}

func (u user) pubKey() string { return u.ID().String() }

// retrieve makes a signed request.
func (u user) retrieve(lastHash string, now time.Time) rpc20.RetrieveParams {
	timestamp := strconv.FormatInt(now.UnixMilli(), 10)
	public := u.Ed25519Public()
	signature := u.Sign(signtext.Retrieve(rpc28.NamespaceMessages, now.UnixMilli()))
	return rpc20.RetrieveParams{
		PubKey:        u.pubKey(),
		LastHash:      lastHash,
		PubkeyEd25519: hex.EncodeToString(public[:]),
		Timestamp:     timestamp,
		Signature:     base64.StdEncoding.EncodeToString(signature[:]),
	}
}

// solved makes a store request with proof of work.
func solved(t testing.TB, pubKey, data string, at time.Time, ttl time.Duration, difficulty uint64) rpc20.StoreParams {
	t.Helper()
	params := rpc20.StoreParams{
		PubKey:    pubKey,
		TTL:       strconv.FormatInt(ttl.Milliseconds(), 10),
		Timestamp: strconv.FormatInt(at.UnixMilli(), 10),
		Data:      data,
	}
	return solve(t, params, uint64(ttl.Milliseconds()), difficulty)
}

// solve fills in the nonce. ttl is what the text in params means.
func solve(t testing.TB, params rpc20.StoreParams, ttl, difficulty uint64) rpc20.StoreParams {
	t.Helper()
	m := store.NewMessage20(params)
	nonce, err := pow.Solve(t.Context(), m.Inner(), pow.Target(m.PayloadLen(), ttl, difficulty), pow.Options{})
	if err != nil {
		t.Fatal(err)
	}
	params.Nonce = pow.EncodeNonce(nonce)
	return params
}

// unsolved fills in a nonce that proves nothing; one in a hundred does by chance.
func unsolved(params rpc20.StoreParams) rpc20.StoreParams {
	for nonce := uint64(0); ; nonce++ {
		params.Nonce = pow.EncodeNonce(nonce)
		if !store.NewMessage20(params).Meets(1) {
			return params
		}
	}
}

// decode reads the JSON body of an answer that must have the given status.
func decode[T any](t testing.TB, got reply, status int) T {
	t.Helper()
	var v T
	if got.status != status {
		t.Fatalf("status %d, want %d; body %q", got.status, status, got.body)
	}
	if err := json.Unmarshal([]byte(got.body), &v); err != nil {
		t.Fatalf("body %q: %v", got.body, err)
	}
	return v
}

// wantStored waits until node i holds count messages for pubKey.
func (n *testNetwork) wantStored(i int, pubKey string, count int) []storage.Stored {
	n.t.Helper()
	var stored []storage.Stored
	eventually(n.t, fmt.Sprintf("node %d to hold %d messages", i, count), func() bool {
		var err error
		if stored, err = n.nodes[i].Messages(pubKey); err != nil {
			n.t.Fatal(err)
		}
		return len(stored) == count
	})
	return stored
}

// eventually waits for what others bring about.
var eventually = await.Until

// dialTLS opens a connection to node i for requests that net/http would not make.
func (n *testNetwork) dialTLS(i int, config *tls.Config) (*tls.Conn, error) {
	config.InsecureSkipVerify = true
	return tls.Dial("tcp", n.address(i), config)
}

// newStore opens a store that is closed when the test ends.
func newStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.TempDir(), store.DefaultMaxBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func mustInsert(t testing.TB, s *store.Store, messages ...store.Message) {
	t.Helper()
	if err := s.Insert(false, messages...); err != nil {
		t.Fatal(err)
	}
}

// unreachable makes a list entry of a node that does not run.
func unreachable(i byte, id swarm.SwarmID) nodelist.State {
	return nodeState(ring.KeysFromSeed([32]byte{i}), &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 22021}, id)
}
