package network

import (
	"bytes"
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sessiontool/lib/internal/await"
	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/internal/leakcheck"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
)

// startFakenet starts a network of n scripted nodes. Nothing of it outlives the test.
func startFakenet(t *testing.T, n int) *fakenet.Network {
	t.Helper()
	leakcheck.Check(t)
	net := fakenet.Start(t, n)
	net.HopTime(await.Hang)
	return net
}

// unhurried keeps a busy machine from passing for nodes that are late or silent.
const unhurried = 5 * time.Second

// configOf is what a client of a network needs. Its state file is one of the test's own.
func configOf(t *testing.T, seeds ...string) Config {
	t.Helper()
	return Config{
		Seeds: seeds, StateFile: filepath.Join(t.TempDir(), "state.json"), Random: rand.Reader, Now: time.Now,
		Late: unhurried,
	}
}

// open makes a client that the test's end closes. It waits for answers over HTTPS however busy the machine is.
func open(t *testing.T, config Config) *Client {
	t.Helper()
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	if config.Carry == nil {
		c.round, c.trial = await.Hang, await.Hang
	}
	t.Cleanup(func() { closeClient(t, c) })
	return c
}

func closeClient(t *testing.T, c *Client) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// clientOf makes a client of fake nodes.
func clientOf(t *testing.T, net *fakenet.Network) *Client {
	t.Helper()
	return open(t, configOf(t, net.SeedURL()))
}

// clock is a time that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2020, 6, 5, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// buffer collects a log.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *buffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

// someone draws a Session ID.
func someone(t *testing.T) sessionid.ID {
	t.Helper()
	seed, err := sessionid.GenerateSeed(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return sessionid.KeysFromSeed(seed).ID()
}

// question is a request that every node answers.
func question(t *testing.T) []byte {
	t.Helper()
	body, err := storage.NewRequest(storage.MethodSwarm, rpc20.SwarmParams{PubKey: someone(t).String()})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// nodeOf returns what the client knows of a fake node.
func nodeOf(t *testing.T, c *Client, p *fakenet.Node) Node {
	t.Helper()
	if _, err := c.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	node, ok := c.Node(p.Key())
	if !ok {
		t.Fatalf("the client does not know %s", p.Name())
	}
	return node
}

// fakeNode returns the fake node behind a node.
func fakeNode(t *testing.T, net *fakenet.Network, node Node) *fakenet.Node {
	t.Helper()
	for _, p := range net.Nodes {
		if p.Key() == node.Ed25519 {
			return p
		}
	}
	t.Fatalf("%s is no fake node", node.Ed25519)
	return nil
}

// ask sends a question to target and fails the test if there is no answer.
func ask(t *testing.T, c *Client, target Node) Answer {
	t.Helper()
	answer, err := c.Request(t.Context(), target, question(t))
	if err != nil {
		t.Fatal(err)
	}
	if answer.Status != storage.StatusOK {
		t.Fatalf("answer is %d %q", answer.Status, answer.Body)
	}
	return answer
}

func keysOf(nodes []Node) map[Key]bool {
	keys := make(map[Key]bool)
	for _, node := range nodes {
		keys[node.Ed25519] = true
	}
	return keys
}

// currentGuards returns the client's guards by key, choosing them if need be.
func currentGuards(t *testing.T, c *Client) map[Key]bool {
	t.Helper()
	if _, err := c.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	guards, err := c.guards(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return keysOf(guards)
}

// hasFailed reports whether the client holds a failure against a node.
func hasFailed(c *Client, key Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.failed(key, c.now())
}
