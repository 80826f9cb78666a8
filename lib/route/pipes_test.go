package route

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"sessiontool/lib/network"
	"sessiontool/lib/node"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/storage/nodelist"
)

// pipes is a network without sockets: connections are pipes in memory, so goroutines wait only for each other, and time
// can pass at once, see testing/synctest.
type pipes struct {
	mu        sync.Mutex
	listeners map[string]*pipeListener
	cut       bool
	silent    map[string]bool // addresses behind which nothing answers
	open      []*pipeConn
	passing   sync.WaitGroup // ends of pipes that are at work
}

// setCut breaks all connections and lets none be opened, or ends that.
func (p *pipes) setCut(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	for _, conn := range p.open {
		conn.Close()
	}
	p.open = nil
}

// silence makes nothing answer behind an address any more, while connections to it can still be opened.
func (p *pipes) silence(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent[address] = true
	p.open = slices.DeleteFunc(p.open, func(conn *pipeConn) bool {
		if conn.address.String() != address {
			return false
		}
		conn.Close()
		return true
	})
}

func (p *pipes) dial(ctx context.Context, _, address string) (net.Conn, error) {
	p.mu.Lock()
	listener := p.listeners[address]
	if listener == nil || p.cut {
		p.mu.Unlock()
		return nil, errors.New("connection refused")
	}
	one, other := net.Pipe()
	ours, theirs := p.end(one, listener.address), p.end(other, listener.address)
	p.open = append(p.open, ours, theirs)
	silent := p.silent[address]
	p.mu.Unlock()
	if silent {
		return ours, nil
	}
	var err error
	select {
	case listener.conns <- theirs:
		return ours, nil
	case <-listener.closed:
		err = errors.New("connection refused")
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(err, ours.Close(), theirs.Close())
}

// listen listens at a port of 127.0.0.1.
func (p *pipes) listen(port int) *pipeListener {
	p.mu.Lock()
	defer p.mu.Unlock()
	listener := &pipeListener{
		address: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}, conns: make(chan net.Conn),
		closed: make(chan struct{}),
	}
	p.listeners[listener.address.String()] = listener
	return listener
}

type pipeListener struct {
	address *net.TCPAddr
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return l.address }

// pipeConn is an end of a pipe with an address. Unlike net.Pipe it takes what is written before it is read, without
// which two who write at the same time would wait for each other.
type pipeConn struct {
	net.Conn
	address net.Addr
	written chan []byte
	closed  chan struct{}
	once    sync.Once
}

func (p *pipes) end(conn net.Conn, address net.Addr) *pipeConn {
	c := &pipeConn{Conn: conn, address: address, written: make(chan []byte, 256), closed: make(chan struct{})}
	p.passing.Go(c.pass)
	return c
}

// pass writes to the pipe until the end is closed, and then what is left.
func (c *pipeConn) pass() {
	defer c.Conn.Close()
	for {
		select {
		case data := <-c.written:
			if _, err := c.Conn.Write(data); err != nil {
				return
			}
			continue
		default:
		}
		select {
		case data := <-c.written:
			if _, err := c.Conn.Write(data); err != nil {
				return
			}
		case <-c.closed:
			return
		}
	}
}

func (c *pipeConn) Write(data []byte) (int, error) {
	select {
	case c.written <- bytes.Clone(data):
		return len(data), nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

func (c *pipeConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.SetWriteDeadline(time.Now().Add(time.Second)) // for what is left
}

func (c *pipeConn) RemoteAddr() net.Addr { return c.address }

// pipeNet is a network of real nodes over pipes, all of one swarm, and its seed.
type pipeNet struct {
	pipes
	nodes []*node.Node
}

// seedPort is where the seed listens; nodes follow.
const seedPort = 1000

// startPipes starts n nodes, which the test's end closes.
func startPipes(t *testing.T, n int) *pipeNet {
	t.Helper()
	p := &pipeNet{pipes: pipes{listeners: make(map[string]*pipeListener), silent: make(map[string]bool)}}
	states := make([]nodelist.State, n)
	dirs := make([]string, n)
	for i := range states {
		dirs[i] = t.TempDir()
		keys, err := ring.LoadKeys(dirs[i], rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		states[i] = nodelist.State{
			PubkeyLegacy: keys.Name(), PubkeyEd25519: keys.Name(), PubkeyX25519: keys.X25519.Public.String(),
			PublicIP: "127.0.0.1", StoragePort: uint16(seedPort + 1 + i), SwarmID: 1, Active: true,
		}
	}
	list := listedNodes{States: states, BlockHash: "1", Status: "OK"}
	for i := range states {
		made, err := node.Start(t.Context(), node.Config{
			DataDir: dirs[i], Listener: p.listen(seedPort + 1 + i), Directory: list, DialContext: p.dial,
			PollInterval: time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		p.nodes = append(p.nodes, made)
	}
	seed := &http.Server{Handler: list}
	go seed.Serve(p.listen(seedPort)) // until it is closed
	t.Cleanup(func() {
		seed.Close()
		for _, node := range p.nodes {
			node.Close(context.Background())
		}
		p.setCut(true)   // also what is open to those that are silent
		p.passing.Wait() // what is left on the way
	})
	return p
}

// config is what a client needs.
func (p *pipeNet) config(t *testing.T) network.Config {
	config := configOf(t, "http://127.0.0.1:"+strconv.Itoa(seedPort))
	config.Dial = p.dial
	return config
}

// listedNodes is a list of nodes in the form of a seed's answer and in that of nodes.
type listedNodes nodelist.Result

func (l listedNodes) Nodes(context.Context, string) (*nodelist.Result, error) {
	result := nodelist.Result(l)
	return &result, nil
}

func (l listedNodes) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	json.NewEncoder(w).Encode(map[string]any{"result": nodelist.Result(l)})
}
