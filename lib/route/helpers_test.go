package route

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"sessiontool/lib/devnet"
	"sessiontool/lib/internal/await"
	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/internal/leakcheck"
	"sessiontool/lib/internal/loopback"
	"sessiontool/lib/network"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/storagehttp"
)

// startDevnet starts a network of real nodes. Nothing of it outlives the test.
func startDevnet(t testing.TB, nodes, swarmSize int) *devnet.Network {
	t.Helper()
	return startDevnetWith(t, devnet.Options{Nodes: nodes, SwarmSize: swarmSize})
}

func startDevnetWith(t testing.TB, options devnet.Options) *devnet.Network {
	t.Helper()
	leakcheck.Check(t)
	options.ListenIP = loopback.Own() // nodes that are stopped want their ports back
	net, err := devnet.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNetwork(t, net) })
	return net
}

func closeNetwork(t testing.TB, net *devnet.Network) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), atOnce)
	defer cancel()
	if err := net.Close(ctx); err != nil {
		t.Error(err)
	}
}

// atOnce is what nodes get to end requests that are under way: there are none, but there may be connections on which
// none was made yet.
const atOnce = 100 * time.Millisecond

// startFakenet starts a network of scripted nodes. All are one swarm by default.
func startFakenet(t testing.TB, n int) *fakenet.Network {
	t.Helper()
	leakcheck.Check(t)
	return fakenet.Start(t, n)
}

// configOf is what a client of a network needs.
func configOf(t testing.TB, seed string) network.Config {
	t.Helper()
	return network.Config{
		Seeds: []string{seed}, Generation: storage.Generation20, StateFile: filepath.Join(t.TempDir(), "state.json"),
		Random: rand.Reader, Now: time.Now, Late: unhurried,
	}
}

// unhurried keeps a busy machine from passing for nodes that are late.
const unhurried = 5 * time.Second

func newClient(t testing.TB, config network.Config) *network.Client {
	t.Helper()
	c, err := network.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// eventually waits for what others bring about.
var eventually = await.Until

// swarmOf returns the places in a devnet of the members of id's swarm.
func swarmOf(t testing.TB, net *devnet.Network, id sessionid.ID) (places []int) {
	t.Helper()
	members, err := newClient(t, configOf(t, net.SeedURL())).LookupSwarm(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for i, info := range net.Nodes() {
		if slices.ContainsFunc(members, func(n network.Node) bool { return n.Ed25519.String() == info.PubkeyEd25519 }) {
			places = append(places, i)
		}
	}
	return places
}

func stop(t testing.TB, net *devnet.Network, places ...int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(len(places))*atOnce)
	defer cancel()
	for _, i := range places {
		if err := net.StopNode(ctx, i); err != nil {
			t.Fatal(err)
		}
	}
}

// box is the store of a fake node: it keeps and gives out messages as a node does.
type box struct {
	mu       sync.Mutex
	messages []storage.Stored
}

// boxes gives each of the nodes a store of its own.
func boxes(nodes ...*fakenet.Node) (all []*box) {
	for _, node := range nodes {
		b := &box{}
		node.Answer(b.answer)
		all = append(all, b)
	}
	return all
}

// put adds messages.
func (b *box) put(data ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range data {
		b.messages = append(b.messages, storage.Stored{Data: text, Hash: hashOf(text), Expiration: 1})
	}
}

// hashOf is what boxes call a message.
func hashOf(data string) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:4])
}

func (b *box) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages = nil
}

func (b *box) answer(call fakenet.Call) (int, string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch call.Method {
	case storage.MethodStore:
		data := call.Params["data"]
		b.messages = append(b.messages, storage.Stored{Data: data, Hash: hashOf(data), Expiration: 1})
	case storage.MethodRetrieve:
		last := slices.IndexFunc(b.messages, func(m storage.Stored) bool { return m.Hash == call.Params["lastHash"] })
		after := b.messages[last+1:]
		return storage.StatusOK, pageOf(after[:min(len(after), rpc20.MaxRetrieved)]...)
	}
	return 0, ""
}

// pageOf is the answer to a retrieve request.
func pageOf(messages ...storage.Stored) string {
	text, err := json.Marshal(rpc20.RetrieveAnswer{Messages: append([]storage.Stored{}, messages...)})
	if err != nil {
		panic(err) // it consists of texts and numbers
	}
	return string(text)
}

// always makes nodes answer a method like this.
func always(method string, status int, body string, nodes ...*fakenet.Node) {
	for _, node := range nodes {
		node.Answer(func(call fakenet.Call) (int, string) {
			if call.Method != method {
				return 0, ""
			}
			return status, body
		})
	}
}

// seedOf starts a seed that passes on what the one at url says, which may change.
func seedOf(t testing.TB, url func() string) string {
	t.Helper()
	return passOn(t, url, func() bool { return true })
}

// seedWithout starts a seed that passes on another one's answers, and gives the time only if the flag is set.
func seedWithout(t testing.TB, seed string, told func() bool) string {
	t.Helper()
	return passOn(t, func() string { return seed }, told)
}

func passOn(t testing.TB, url func() string, timed func() bool) string {
	t.Helper()
	client := storagehttp.NewClient()
	t.Cleanup(client.Close)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		answer, err := client.PostSeed(r.Context(), url(), body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if !timed() {
			w.Header()["Date"] = nil
		}
		w.Write(answer.Body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func wantError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error is %v, want %v", what, err, want)
	}
}
